package applet

// table is the list of applets.
func table() map[string]Func {
	return map[string]Func{
		"cat": cat, "chmod": chmod, "cp": cp, "mkdir": mkdir, "mktemp": mktemp, "mv": mv, "rm": rm, "touch": touch,
		"ls": ls, "find": findFiles, "ln": ln, "rmdir": rmdir, "readlink": readlink, "realpath": readlink,
		"basename": basename, "dirname": dirname, "du": du, "df": df,

		"egrep": grep, "fgrep": grep, "grep": grep, "head": head, "tail": tail, "wc": wc, "tee": tee,
		"sort": sortLines, "uniq": uniq, "cut": cut, "tr": translate, "seq": seq, "xargs": xargs, "base64": base64Text,
		"md5sum": checksum, "sha1sum": checksum, "sha256sum": checksum, "sha512sum": checksum,
		"tar": tarArchive, "gzip": gzipFiles, "gunzip": gzipFiles, "zcat": gzipFiles,

		"env": env, "sleep": sleep, "id": id, "whoami": whoami, "uname": uname, "hostname": hostname,
		"date": date, "nproc": nproc, "which": which, "clear": clearScreen, "kill": kill, "ps": ps, "timeout": timeout,

		"true":  func(Streams, []string) int { return 0 },
		"false": func(Streams, []string) int { return 1 },
	}
}
