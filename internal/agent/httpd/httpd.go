// Package httpd is the applet `httpd`: the static file server of the built-in template.
//
// It serves the files below one folder and nothing else: paths are resolved by os.Root,
// so that neither `..` nor a symbolic link leads out of it; names that begin with a dot
// do not exist for it; only regular files and folders are served. The folder is opened
// for each request: it may come, go and be replaced while the server runs.
//
// It may not change anything, and it may not answer anything but GET and HEAD.
package httpd

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// The limits of one connection. There is no limit on a whole response: a large file over
// a slow line takes its time.
const (
	headerTimeout  = 10 * time.Second
	idleTimeout    = 2 * time.Minute
	maxHeaderBytes = 64 << 10
	// stopBudget is what running requests get when the server is told to end.
	stopBudget = 80 * time.Millisecond
)

// Main runs the server with args (its name first) until SIGTERM or SIGINT, and returns
// its exit status: 0 after a signal, 1 where it cannot listen, 2 for a wrong command line.
// The log of requests goes to out, one line each.
func Main(args []string, out, errw io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGTERM, unix.SIGINT)
	defer stop()
	return Run(ctx, args, out, errw)
}

// Run is Main without signals: it serves until ctx ends.
func Run(ctx context.Context, args []string, out, errw io.Writer) int {
	flags := flag.NewFlagSet("httpd", flag.ContinueOnError)
	flags.SetOutput(errw)
	dir := flags.String("dir", ".", "folder whose files are served")
	port := flags.Int("port", 8000, "TCP port to listen on, on all addresses")
	quiet := flags.Bool("quiet", false, "no log of requests")
	if err := flags.Parse(args[1:]); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 2
	}
	if *port < 0 || *port > 65535 || flags.NArg() > 0 {
		fmt.Fprintln(errw, "httpd: usage: httpd [--dir DIR] [--port 0-65535] [--quiet]")
		return 2
	}
	if *quiet {
		out = io.Discard
	}
	listener, err := net.Listen("tcp4", net.JoinHostPort("0.0.0.0", strconv.Itoa(*port)))
	if err != nil {
		fmt.Fprintf(errw, "httpd: cannot listen: %v\n", err)
		return 1
	}
	fmt.Fprintf(errw, "httpd: serving %s on %s\n", workingName(*dir), listener.Addr())
	return serve(ctx, listener, logged(out, NewHandler(*dir)), errw)
}

func serve(ctx context.Context, l net.Listener, h http.Handler, errw io.Writer) int {
	server := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          log.New(errw, "httpd: ", 0),
	}
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	select {
	case err := <-done:
		fmt.Fprintf(errw, "httpd: %v\n", err)
		return 1
	case <-ctx.Done():
	}
	end, cancel := context.WithTimeout(context.Background(), stopBudget)
	defer cancel()
	if server.Shutdown(end) != nil {
		_ = server.Close()
	}
	return 0
}

// workingName is dir as people know it.
func workingName(dir string) string {
	if dir != "." {
		return dir
	}
	if wd, err := os.Getwd(); err == nil {
		return wd
	}
	return dir
}
