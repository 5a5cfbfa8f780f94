// Package process runs a part of a program as another process of itself, to find out
// what survives when that one is killed.
//
// The program names what it can be asked to do and hands the roles to [Main] before
// anything else. In a child that runs the role and ends; elsewhere it returns at once:
//
//	func TestMain(m *testing.M) {
//		process.Main(process.Roles{"writer": write})
//		os.Exit(m.Run())
//	}
//
//	func write(ctx context.Context, args []string) error {
//		db, err := open(args[0])
//		...
//		for n := 1; ctx.Err() == nil; n++ {
//			if err := insert(db, n); err != nil {
//				return err
//			}
//			process.Say(strconv.Itoa(n)) // the acknowledgement
//		}
//		return db.Close()
//	}
//
// The parent starts a role, listens to what the child says, kills it in the middle and
// looks at what is left:
//
//	p, err := process.Start(process.Config{Role: "writer", Args: []string{path}})
//	...
//	acknowledged, err := p.KillAfter(50 * time.Millisecond)
//
// Children never outlive their parent: the ctx of a role ends when the parent asks for
// it with [Process.Stop], and also when the parent dies.
//
// A killed process loses what it had not handed to the system, and nothing else: the
// system still writes what it was handed. Package powercut simulates the loss of that,
// too.
package process
