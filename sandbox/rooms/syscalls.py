"""What the inside of a room may ask of the machine's kernel: everything else does not exist there.

Rules
- A call that is not listed answers ENOSYS, as on a kernel that never had it: libraries then fall back,
  and it can be told apart from every other refusal.
- A call that is listed by its argument does not exist for every other argument (socket(2) for another family
  answers EOPNOTSUPP).
- Left out on purpose: whatever makes namespaces, mounts, traces or reads other processes, loads code
  into the kernel, changes identities, and the large young interfaces (io_uring, bpf, userfaultfd, perf,
  keyrings, fanotify). `clone3` is left out because its flags lie in memory, where a filter cannot see them.
"""

from __future__ import annotations

ALWAYS = " ".join(
    (
        "accept accept4 access alarm arch_prctl bind brk capget chdir chmod clock_getres",
        "clock_gettime clock_nanosleep close close_range connect copy_file_range creat dup dup2 dup3",
        "epoll_create epoll_create1 epoll_ctl epoll_pwait epoll_pwait2 epoll_wait eventfd eventfd2",
        "execve execveat exit exit_group faccessat faccessat2 fadvise64 fallocate fchdir fchmod",
        "fchmodat fchown fchownat fcntl fdatasync fgetxattr flistxattr flock fork fstat fstatfs fsync",
        "ftruncate futex futex_waitv getcpu getcwd getdents getdents64 getegid geteuid getgid",
        "getgroups getitimer getpeername getpgid getpgrp getpid getppid getpriority getrandom",
        "getresgid getresuid getrlimit getrusage getsid getsockname getsockopt get_mempolicy",
        "get_robust_list gettid gettimeofday getuid getxattr inotify_add_watch inotify_init",
        "inotify_init1 inotify_rm_watch kill lgetxattr link linkat listen listxattr llistxattr lseek",
        "lstat madvise membarrier memfd_create mincore mkdir mkdirat mlock mlock2 mmap mprotect",
        "mremap msync munlock munmap nanosleep newfstatat open openat openat2 pause pidfd_open",
        "pidfd_send_signal pipe pipe2 poll ppoll pread64 preadv preadv2 prlimit64 pselect6 pwrite64",
        "pwritev pwritev2 read readahead readlink readlinkat readv recvfrom recvmmsg recvmsg rename",
        "renameat renameat2 restart_syscall rmdir rseq rt_sigaction rt_sigpending rt_sigprocmask",
        "rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_tgsigqueueinfo",
        "sched_getaffinity sched_getattr sched_getparam sched_get_priority_max sched_get_priority_min",
        "sched_getscheduler sched_setaffinity sched_setparam sched_setscheduler sched_yield select",
        "semctl semget semop semtimedop sendfile sendmmsg sendmsg sendto set_robust_list",
        "set_tid_address setitimer setpgid setpriority setrlimit setsid setsockopt shmat shmctl shmdt",
        "shmget shutdown sigaltstack signalfd signalfd4 splice stat statfs statx symlink symlinkat",
        "sync_file_range sysinfo tee tgkill time timer_create timer_delete timer_getoverrun",
        "timer_gettime timer_settime timerfd_create timerfd_gettime timerfd_settime times tkill",
        "truncate umask uname unlink unlinkat utime utimensat utimes vfork wait4 waitid write writev",
    )
).split()

# clone(2): threads and processes, in the namespaces of their parent: none of NEWTIME, NEWNS, NEWCGROUP,
# NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET.
NEW_NAMESPACES = 0x00000080 | 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000
NEW_NAMESPACES |= 0x40000000

# socket(2): local sockets, and IP inside a network that has nobody else in it.
SOCKET_FAMILIES = (1, 2, 10)
MOST_FAMILIES = 64

# ioctl(2): TCGETS TCSETS TCSETSW TCSETSF TIOCGPGRP TIOCSPGRP TIOCGWINSZ TIOCSWINSZ FIONREAD FIONBIO
# FIONCLEX FIOCLEX FIOASYNC. Not TIOCSTI, which types into a terminal.
IOCTLS = (
    0x5401,
    0x5402,
    0x5403,
    0x5404,
    0x540F,
    0x5410,
    0x5413,
    0x5414,
    0x541B,
    0x5421,
    0x5450,
    0x5451,
    0x5452,
)

# prctl(2): PDEATHSIG (set, get), DUMPABLE (get), NAME (set, get), CAPBSET_READ, NO_NEW_PRIVS (set, get),
# THP_DISABLE, and naming memory.
PRCTLS = (1, 2, 3, 15, 16, 23, 38, 39, 41, 0x53564D41)

# personality(2): ask, and plain Linux.
PERSONALITIES = (0x0, 0xFFFFFFFF)

BY_ARGUMENT = (
    ("socket", 0, SOCKET_FAMILIES),
    ("socketpair", 0, (1,)),
    ("ioctl", 1, IOCTLS),
    ("prctl", 0, PRCTLS),
    ("personality", 0, PERSONALITIES),
)
"""Call, which argument, and its allowed values."""
