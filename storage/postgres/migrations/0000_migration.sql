-- The migrations that were applied, with the checksum of each file.
CREATE TABLE IF NOT EXISTS adminkit_migration (
  name       TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  checksum   TEXT             NOT NULL,
  applied_at BIGINT           NOT NULL
);
