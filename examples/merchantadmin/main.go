package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// How long an orderly stop may take as a whole, and its parts. What still runs then
// is left to what a kill -9 is survived by as well: keys of clients, leases of jobs.
const (
	stopWithin     = 9 * time.Second
	requestsWithin = 3 * time.Second
	jobsWithin     = 3 * time.Second
)

// run is the program: it returns the exit code. Standard output gets the one line
// that scripts wait for, everything else goes to stderr.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	cfg, err := parseFlags(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintf(stderr, "merchantadmin: %v\n", err)
		return 2
	}
	if err := serve(ctx, cfg, stdout, slog.New(slog.NewTextHandler(stderr, nil))); err != nil {
		// Drivers report a list of addresses line by line.
		fmt.Fprintf(stderr, "merchantadmin: %s\n", strings.Join(strings.Fields(err.Error()), " "))
		return 1
	}
	return 0
}

// serve runs the admin until ctx ends, and then stops it in the order of
// dependence: requests, workers, store.
func serve(ctx context.Context, cfg config, stdout io.Writer, log *slog.Logger) (err error) {
	// The port first: it is the likeliest thing to be wrong, and cheap to try.
	listener, err := net.Listen("tcp", cfg.addr)
	if err != nil {
		return err
	}
	defer listener.Close()

	a, err := openApp(ctx, cfg, log)
	if err != nil {
		if ctx.Err() != nil {
			return nil // told to stop before it was up: nothing is left to stop
		}
		return err
	}
	handler, err := a.handler()
	if err != nil {
		return errors.Join(err, a.close(context.WithoutCancel(ctx)))
	}
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	fmt.Fprintf(stdout, "merchant admin ready at http://%s\n", listener.Addr())

	select {
	case err = <-failed:
	case <-ctx.Done():
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
	defer cancel()
	requests, cancel := context.WithTimeout(ending, requestsWithin)
	defer cancel()
	if server.Shutdown(requests) != nil {
		server.Close() // a request that is cut off is repeated by its client
	}
	return errors.Join(err, a.close(ending))
}
