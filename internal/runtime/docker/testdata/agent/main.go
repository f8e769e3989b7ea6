// Command agent stands in for wsd's agent in the tests of package docker: process
// 1 of a container, and the few commands that the tests run inside.
package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	args := append([]string{filepath.Base(os.Args[0])}, os.Args[1:]...)
	if args[0] == "agent" {
		args = args[1:]
	}
	os.Exit(run(args))
}

func run(args []string) int {
	if args[0] == "agent" {
		for len(args) > 1 && strings.HasPrefix(args[1], "--") && args[1] != "--" { // --restart and --dir
			args = args[1:]
		}
		return first(args[2:])
	}
	switch args[0] {
	case "serve":
		return serve(args[1])
	case "exit":
		n, _ := strconv.Atoi(args[1])
		return n
	case "cat":
		_, _ = io.Copy(os.Stdout, os.Stdin)
	case "read":
		b, err := os.ReadFile(args[1])
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		_, _ = os.Stdout.Write(b)
	case "write":
		if err := os.WriteFile(args[1], []byte(args[2]), 0o644); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	case "env":
		fmt.Println(strings.Join(os.Environ(), "\n"))
	case "id":
		fmt.Println(os.Getuid(), os.Getgid())
	case "both":
		fmt.Println("to stdout")
		fmt.Fprintln(os.Stderr, "to stderr")
	case "print":
		for _, l := range args[1:] {
			fmt.Println(l)
		}
		wait()
	case "long":
		n, _ := strconv.Atoi(args[1])
		fmt.Println(strings.Repeat("x", n))
	case "listen":
		return listen(args[1])
	case "link":
		_ = os.Remove(args[2])
		if err := os.Symlink(args[1], args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	case "size":
		return size()
	case "wait":
		wait()
	case "deaf":
		fmt.Println("deaf") // process 1 takes the signal by now
		time.Sleep(time.Hour)
	default:
		return 127
	}
	return 0
}

// first is process 1: it runs a command and passes SIGTERM on.
func first(command []string) int {
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	if len(command) == 0 {
		<-term
		return 0
	}
	c := exec.Command(command[0], command[1:]...)
	c.Stdout, c.Stderr = os.Stdout, os.Stderr
	if err := c.Start(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 127
	}
	go func() {
		<-term
		if command[len(command)-1] != "deaf" {
			_ = c.Process.Signal(syscall.SIGTERM)
		}
	}()
	_ = c.Wait()
	return c.ProcessState.ExitCode()
}

func wait() {
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	<-term
}

func serve(port string) int {
	go func() {
		wait()
		os.Exit(0)
	}()
	fmt.Println("serving")
	err := http.ListenAndServe(":"+port, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "hello from", os.Getenv("WSD_NAME"))
	}))
	fmt.Fprintln(os.Stderr, err)
	return 1
}

// listen says hello to everybody who connects to a unix socket.
func listen(path string) int {
	_ = os.Remove(path)
	l, err := net.Listen("unix", path)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	go func() {
		wait()
		os.Exit(0) // the socket stays, as after a kill
	}()
	for {
		c, err := l.Accept()
		if err != nil {
			return 1
		}
		fmt.Fprintln(c, "hello")
		_ = c.Close()
	}
}

// size prints the terminal's size whenever a line comes in.
func size() int {
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		// The size may arrive a moment after the command's start.
		time.Sleep(20 * time.Millisecond)
		rows, cols := winsize()
		fmt.Printf("%dx%d\n", cols, rows)
		if in.Text() == "end" {
			return 0
		}
	}
	return 0
}
