package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"time"
)

// A config is what the flags say.
type config struct {
	addr   string
	db     string
	keys   string
	env    string
	demo   bool
	reset  bool
	work   bool
	lease  time.Duration
	egress []netip.Prefix
}

func parseFlags(args []string, stderr io.Writer) (config, error) {
	var cfg config
	var egress string
	fs := flag.NewFlagSet("merchantadmin", flag.ContinueOnError)
	fs.SetOutput(io.Discard) // an error is one line, and main prints it
	fs.StringVar(&cfg.addr, "addr", "127.0.0.1:8080", "`address` to listen on; port 0 picks one")
	fs.StringVar(&cfg.db, "db", "merchantadmin.db", "`database`: a path, memory: or a postgres:// DSN")
	fs.StringVar(&cfg.keys, "keys", "", "`file` of the key that seals endpoint secrets, made where it is absent (default the database's path with .keys)")
	fs.StringVar(&cfg.env, "env", "prod", "`name` of the environment, shown on every page")
	fs.BoolVar(&cfg.demo, "demo", true, "demo merchants, orders and people, who sign in without a password on loopback only")
	fs.BoolVar(&cfg.reset, "reset", false, "remove everything the database holds of the admin, then start")
	fs.BoolVar(&cfg.work, "workers", true, "work the jobs: apply approved changes, deliver webhooks")
	fs.DurationVar(&cfg.lease, "lease", 20*time.Second, "how long the jobs of a process that was killed wait for another one, from 200ms")
	fs.StringVar(&egress, "egress-allow", "", "comma-separated `prefixes` of non-public addresses that webhooks may go to, such as 127.0.0.0/8")
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(stderr, "usage: merchantadmin [flags]")
			fs.SetOutput(stderr)
			fs.PrintDefaults()
		}
		return cfg, err
	}
	if fs.NArg() > 0 {
		return cfg, fmt.Errorf("unexpected argument %q", fs.Arg(0))
	}
	if _, _, err := net.SplitHostPort(cfg.addr); err != nil {
		return cfg, fmt.Errorf("-addr %q: must be host:port", cfg.addr)
	}
	if cfg.db == "" {
		return cfg, errors.New("-db: must not be empty")
	}
	if cfg.env == "" {
		return cfg, errors.New("-env: must not be empty")
	}
	if cfg.lease < 200*time.Millisecond {
		return cfg, fmt.Errorf("-lease %v: must be at least 200ms", cfg.lease)
	}
	for s := range strings.SplitSeq(egress, ",") {
		if s = strings.TrimSpace(s); s == "" {
			continue
		}
		prefix, err := netip.ParsePrefix(s)
		if err != nil {
			return cfg, fmt.Errorf("-egress-allow %q: must be a prefix such as 127.0.0.0/8", s)
		}
		cfg.egress = append(cfg.egress, prefix.Masked())
	}
	return cfg, nil
}
