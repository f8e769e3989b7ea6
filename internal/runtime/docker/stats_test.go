package docker

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/wsctl/wsctl/internal/workspace"
)

func TestWhereACgroupIs(t *testing.T) {
	const id = "0123456789abcdef"
	v1mounts := `30 23 0:26 / /sys/fs/cgroup ro - tmpfs tmpfs ro,mode=755
31 30 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
35 30 0:31 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:11 - cgroup cgroup rw,cpu,cpuacct
36 30 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
37 30 0:33 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids
38 30 0:34 / /sys/fs/cgroup/blkio rw - cgroup cgroup rw,blkio
`
	v2mounts := "31 30 0:27 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n"
	for name, tc := range map[string]struct {
		own, mounts string
		want        cgroup
	}{
		"version 1": {
			"6:blkio:/docker/" + id + "\n5:pids:/docker/" + id + "\n4:memory:/docker/" + id + "\n3:cpu,cpuacct:/docker/" + id + "\n0::/docker/" + id + "\n", v1mounts,
			cgroup{cpu: "/sys/fs/cgroup/cpu,cpuacct/docker/" + id, memory: "/sys/fs/cgroup/memory/docker/" + id, pids: "/sys/fs/cgroup/pids/docker/" + id, disk: "/sys/fs/cgroup/blkio/docker/" + id},
		},
		"version 2": {"0::/system.slice/docker-" + id + ".scope\n", v2mounts, cgroup{
			unified: true,
			cpu:     "/sys/fs/cgroup/system.slice/docker-" + id + ".scope", memory: "/sys/fs/cgroup/system.slice/docker-" + id + ".scope",
			pids: "/sys/fs/cgroup/system.slice/docker-" + id + ".scope", disk: "/sys/fs/cgroup/system.slice/docker-" + id + ".scope",
		}},
		"another container's":   {"0::/docker/fedcba\n", v2mounts, cgroup{}},
		"hidden by a namespace": {"0::/\n", v2mounts, cgroup{}},
		"only part is mounted":  {"0::/docker/" + id + "\n", "31 30 0:27 /docker /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", cgroup{}},
		"rubbish":               {"\n:\n::\n", "- - -\n\n", cgroup{}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := locateCgroup(tc.own, tc.mounts, id)
			if got != tc.want || (err == nil) != (tc.want != cgroup{}) {
				t.Errorf("got %+v, %v, want %+v", got, err, tc.want)
			}
		})
	}
}

func TestTheNumbersOfBothCgroupVersions(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	for name, tc := range map[string]struct {
		unified bool
		files   map[string]string
		want    workspace.Usage
		disk    workspace.Traffic
	}{
		"version 1": {
			false,
			map[string]string{
				"cpuacct.usage": "2500000000\n", "memory.usage_in_bytes": "1000\n", "memory.limit_in_bytes": "4000\n",
				"memory.stat": "cache 500\ntotal_inactive_file 300\n", "pids.current": "4\n", "memory.max_usage_in_bytes": "1500\n",
				"blkio.throttle.io_service_bytes": "8:0 Read 4096\n8:0 Write 100\n8:0 Sync 1\n8:0 Total 4196\n8:16 Read 4\nTotal 4200\n",
			},
			workspace.Usage{Time: now, CPUSeconds: 2.5, Memory: 700, MemoryPeak: 1500, MemoryLimit: 4000, Pids: 4},
			workspace.Traffic{In: 4100, Out: 100},
		},
		"version 2": {
			true,
			map[string]string{
				"cpu.stat": "usage_usec 2500000\nuser_usec 1\n", "memory.current": "1000\n", "memory.max": "4000\n",
				"memory.stat": "anon 700\ninactive_file 300\n", "pids.current": "4\n",
				"io.stat": "8:0 rbytes=4096 wbytes=100 rios=1 wios=1\n8:16 rbytes=4\n",
			},
			workspace.Usage{Time: now, CPUSeconds: 2.5, Memory: 700, MemoryLimit: 4000, Pids: 4},
			workspace.Traffic{In: 4100, Out: 100},
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for f, s := range tc.files {
				if err := os.WriteFile(filepath.Join(dir, f), []byte(s), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			g := cgroup{unified: tc.unified, cpu: dir, memory: dir, pids: dir}
			if got, err := g.usage(now); err != nil || got != tc.want {
				t.Errorf("got %+v, %v, want %+v", got, err, tc.want)
			}
			g.disk = dir
			if got, err := g.usage(now); err != nil || got.Disk == nil || *got.Disk != tc.disk {
				t.Errorf("the disk is %+v, %v, want %+v", got.Disk, err, tc.disk)
			}
			if err := os.Remove(filepath.Join(dir, "pids.current")); err != nil {
				t.Fatal(err)
			}
			if _, err := g.usage(now); err == nil {
				t.Error("a cgroup that is gone gives numbers")
			}
		})
	}
}

func TestInterfaces(t *testing.T) {
	const head = "Inter-|   Receive  |  Transmit\n face |bytes    packets errs|bytes\n"
	for name, tc := range map[string]struct {
		dev  string
		want *workspace.Traffic
	}{
		"two and the loopback": {
			head + "    lo: 9 1 0 0 0 0 0 0 9 1 0 0 0 0 0 0\n  eth0: 1252 14 0 0 0 0 0 0 30 1 0 0 0 0 0 0\n  eth1:8 1 0 0 0 0 0 0 2 1 0 0 0 0 0 0\n",
			&workspace.Traffic{In: 1260, Out: 32},
		},
		"the loopback alone": {head + "    lo: 9 1 0 0 0 0 0 0 9 1 0 0 0 0 0 0\n", &workspace.Traffic{}},
		"nothing":            {"", nil},
		"rubbish":            {head + "eth0: x\n", nil},
	} {
		t.Run(name, func(t *testing.T) {
			if got := interfaces(tc.dev); (got == nil) != (tc.want == nil) || got != nil && *got != *tc.want {
				t.Errorf("got %+v, want %+v", got, tc.want)
			}
		})
	}
}

func TestFilesAndEngineAgreeOnUsage(t *testing.T) {
	d := newDriver(t)
	c := testContainer("used", "wait")
	st := up(t, d, c)
	// Two samples are of two moments: they can only agree while nothing moves.
	eventually(t, time.Minute, func() error {
		files, err := d.Stats(t.Context(), c.Ref)
		if err != nil {
			return err
		}
		asked, err := d.askStats(t.Context(), st.ID)
		if err != nil {
			return err
		}
		if files.Pids != asked.Pids || files.MemoryLimit != asked.MemoryLimit || files.Memory <= 0 || asked.Memory <= 0 || files.CPUSeconds <= 0 {
			return fmt.Errorf("files %+v, engine %+v", files, asked)
		}
		return nil
	})
	if g, ok := d.cgs.get(c.Ref); !ok || g == (cgroup{}) {
		t.Error("the cgroup's files were not used")
	}
	if err := d.Stop(t.Context(), c.Ref, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Stats(t.Context(), c.Ref); err == nil {
		t.Error("a stopped container gives numbers")
	}
}

func TestUsageAfterARestartIsThatOfTheNewRun(t *testing.T) {
	d := newDriver(t)
	c := testContainer("again", "wait")
	up(t, d, c)
	if u, err := d.Stats(t.Context(), c.Ref); err != nil || u.Network == nil {
		t.Fatalf("got %+v, %v", u, err)
	}
	if err := d.Stop(t.Context(), c.Ref, 0); err != nil {
		t.Fatal(err)
	}
	if err := d.Start(t.Context(), c.Ref); err != nil {
		t.Fatal(err)
	}
	if u, err := d.Stats(t.Context(), c.Ref); err != nil || u.Network == nil {
		t.Errorf("after a restart: %+v, %v", u, err)
	}
	if err := d.Remove(t.Context(), c.Workspace); err != nil {
		t.Fatal(err)
	}
	if _, ok := d.cgs.get(c.Ref); ok {
		t.Error("a workspace that was removed is remembered")
	}
}

// TestTheNetworkOfAnEngineElsewhere: where no files of the engine can be read, its own word has the network too.
func TestTheNetworkOfAnEngineElsewhere(t *testing.T) {
	d := newDriver(t)
	c := testContainer("elsewhere", "wait")
	up(t, d, c)
	d.link.local = false
	u, err := d.Stats(t.Context(), c.Ref)
	if err != nil {
		t.Fatal(err)
	}
	in, err := d.inspect(t.Context(), c.Ref)
	if err != nil {
		t.Fatal(err)
	}
	if u.Network == nil || u.Memory <= 0 {
		t.Fatalf("the engine's word is %+v", u)
	}
	if _, ok := d.cgs.get(c.Ref); ok {
		t.Fatal("files were read")
	}
	g, err := findCgroup("/proc", in.State.Pid, in.ID)
	if err != nil {
		t.Fatal(err)
	}
	files, err := g.usage(time.Now())
	if err != nil || files.Network == nil || u.Network.In > files.Network.In || u.Network.Out > files.Network.Out {
		t.Errorf("the engine tells %+v, and later the files %+v, %v", u.Network, files.Network, err)
	}
}

func FuzzCgroups(f *testing.F) {
	f.Add("0::/docker/x\n", "31 30 0:27 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n")
	f.Add("3:cpu,cpuacct:/docker/x\n", "35 30 0:31 / /c rw - cgroup cgroup rw,cpu,cpuacct\n")
	f.Fuzz(func(t *testing.T, own, mounts string) {
		g, err := locateCgroup(own, mounts, "x")
		if err == nil && (g.cpu == "" || g.memory == "" || g.pids == "") {
			t.Errorf("%+v from %q and %q", g, own, mounts)
		}
	})
}
