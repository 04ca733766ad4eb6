package observe

import "syscall"

// stRdonly is ST_RDONLY of statfs(2).
const stRdonly = 1

func readOnly(st syscall.Statfs_t) bool { return st.Flags&stRdonly != 0 }
