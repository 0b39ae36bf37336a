/*
 * Stands between a process and the C library's calls that change files, by LD_PRELOAD; calls that open or read what is there can
 * only be made to fail. What concerns files is only done for paths below SHIM_ROOT:
 *
 *   - writes a line for each call to SHIM_LOG: what order.ts proves the order of writes, syncs and names from;
 *   - with SHIM_BYTES, puts the bytes of each write behind its line: what power-cut.ts builds a disk from;
 *   - moves the time of day, as the control file says;
 *   - makes one call fail, come out short, or kill or stop its process, as the control file says (shim.ts writes it). The
 *     file is mapped, so it can be changed while the process runs, and counts over all processes together.
 *
 * Nothing is remembered about descriptors: the path of one is asked of /proc each time, so files that were opened, copied
 * or inherited in any way are seen. Linux only.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { OP_WRITE = 1, OP_SYNC = 2, OP_RENAME = 4, OP_LINK = 8, OP_TRUNCATE = 16, OP_UNLINK = 32, OP_MKDIR = 64, OP_CREATE = 128, OP_OPEN = 256, OP_READ = 512 };
enum { MOST_PIECES = 1023 }; /* IOV_MAX, and the line */
enum { FAIL = 1, SHORT = 2, TORN = 3, KILL = 4, STOP = 5, CUT = 6, HANG = 7 };

/* Laid out as in shim.ts. */
struct control {
  volatile uint32_t ops;       /* which calls count; 0: none */
  volatile int32_t countdown;  /* the call that brings it to 0 is the one */
  volatile uint32_t action;
  volatile uint32_t error;     /* errno of FAIL and TORN */
  volatile uint32_t after;     /* KILL and STOP: when the call is done, not before */
  volatile uint32_t sticky;    /* goes on with every later call, too */
  volatile uint32_t fired;
  volatile uint32_t calls;     /* that matched */
  volatile uint32_t seen[10];   /* of each operation, by its bit, also when nothing is armed */
  char pattern[256];           /* fnmatch of a path of the call; empty: all */
  volatile int32_t clock_s;    /* seconds that the time of day is ahead of the machine's */
};

static struct control *control;
static int log_fd = -1;
static int with_bytes;
static char root[PATH_MAX];
static size_t root_length;

/* What makes a process one under the shim: handed on also where a program gives its children another environment. */
static char *handed_on[8];
static int handed_on_count;

static void remember_environment(void) {
  static const char *const names[] = {"LD_PRELOAD=", "SHIM_ROOT=", "SHIM_LOG=", "SHIM_CONTROL=", "SHIM_BYTES=", "UV_USE_IO_URING="};
  for (char **each = environ; *each != NULL; each++)
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
      if (strncmp(*each, names[i], strlen(names[i])) == 0) handed_on[handed_on_count++] = strdup(*each);
}

/* Runs between fork and exec: no memory is allocated. */
int execvp(const char *file, char *const arguments[]) {
  enum { MOST = 1000 };
  char *all[MOST + 8 + 1];
  int count = 0;
  for (char **each = environ; each != NULL && *each != NULL && count < MOST; each++) {
    int is_known = 0;
    for (int i = 0; i < handed_on_count; i++) {
      size_t name = (size_t)(strchr(handed_on[i], '=') - handed_on[i]) + 1;
      if (strncmp(*each, handed_on[i], name) == 0) is_known = 1;
    }
    if (!is_known) all[count++] = *each;
  }
  for (int i = 0; i < handed_on_count; i++) all[count++] = handed_on[i];
  all[count] = NULL;
  return execvpe(file, arguments, all);
}

static void open_shim(void) __attribute__((constructor));
static void open_shim(void) {
  const char *dir = getenv("SHIM_ROOT");
  const char *log = getenv("SHIM_LOG");
  const char *file = getenv("SHIM_CONTROL");
  if (dir == NULL) return;
  remember_environment();
  with_bytes = getenv("SHIM_BYTES") != NULL;
  snprintf(root, sizeof root, "%s", dir);
  root_length = strlen(root);
  if (log != NULL) log_fd = (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (file != NULL) {
    int fd = (int)syscall(SYS_openat, AT_FDCWD, file, O_RDWR | O_CLOEXEC, 0);
    if (fd >= 0) {
      void *at = mmap(NULL, sizeof(struct control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
      if (at != MAP_FAILED) control = at;
      syscall(SYS_close, fd);
    }
  }
}

static int is_ours(const char *path) {
  return root_length > 0 && strncmp(path, root, root_length) == 0 && (path[root_length] == '/' || path[root_length] == 0);
}

static int path_of_fd(int fd, char *into) {
  char name[40];
  snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
  ssize_t length = syscall(SYS_readlink, name, into, PATH_MAX - 1);
  if (length < 0) return 0;
  into[length] = 0;
  return 1;
}

/* Makes a path absolute; no dots are resolved. */
static void path_at(int dir, const char *path, char *into) {
  char base[PATH_MAX];
  if (path[0] == '/') {
    snprintf(into, PATH_MAX, "%s", path);
    return;
  }
  if (dir == AT_FDCWD) {
    if (syscall(SYS_getcwd, base, sizeof base) < 0) base[0] = 0;
  } else if (!path_of_fd(dir, base)) {
    base[0] = 0;
  }
  snprintf(into, PATH_MAX, "%.2000s/%.2000s", base, path);
}

static unsigned long inode_of(const char *path) {
  struct stat found;
  return syscall(SYS_newfstatat, AT_FDCWD, path, &found, AT_SYMLINK_NOFOLLOW) == 0 ? (unsigned long)found.st_ino : 0;
}

static unsigned long inode_of_fd(int fd) {
  struct stat found;
  return syscall(SYS_fstat, fd, &found) == 0 ? (unsigned long)found.st_ino : 0;
}

/* One line, in one write: pid, thread, operation, "begin" or result, inode, offset, length, path, second path, how many
 * bytes follow; then these, of the pieces. */
static void tell_bytes(const char *op, const char *outcome, unsigned long inode, long long offset, long long length,
                       const char *path, const char *other, const struct iovec *pieces, int count) {
  char line[2 * PATH_MAX + 200];
  struct iovec all[MOST_PIECES + 1];
  if (log_fd < 0) return;
  int kept = errno;
  long long follow = pieces != NULL && count <= MOST_PIECES ? length : 0;
  int size = snprintf(line, sizeof line, "%d\t%ld\t%s\t%s\t%lu\t%lld\t%lld\t%s\t%s\t%lld\n", (int)getpid(),
                      (long)syscall(SYS_gettid), op, outcome, inode, offset, length, path, other, follow);
  if (size > 0) {
    int used = 1;
    all[0] = (struct iovec){line, (size_t)size};
    for (long long left = follow; left > 0 && used <= count; used++) {
      all[used] = pieces[used - 1];
      if ((long long)all[used].iov_len > left) all[used].iov_len = (size_t)left;
      left -= (long long)all[used].iov_len;
    }
    syscall(SYS_writev, log_fd, all, used);
  }
  errno = kept;
}

static void tell(const char *op, const char *outcome, unsigned long inode, long long offset, long long length,
                 const char *path, const char *other) {
  tell_bytes(op, outcome, inode, offset, length, path, other, NULL, 0);
}

static const char *outcome_of(long result) { return result < 0 ? "failed" : "ok"; }

/* What to do to this call: 0 for nothing. */
static uint32_t verdict(uint32_t op, const char *path, const char *other) {
  if (control == NULL) return 0;
  __sync_fetch_and_add(&control->seen[__builtin_ctz(op)], 1);
  if ((control->ops & op) == 0) return 0;
  if (control->pattern[0] != 0 && fnmatch(control->pattern, path, 0) != 0 && fnmatch(control->pattern, other, 0) != 0) return 0;
  __sync_fetch_and_add(&control->calls, 1);
  int32_t left = __sync_sub_and_fetch(&control->countdown, 1);
  if (left != 0 && !(left < 0 && control->sticky)) return 0;
  __sync_fetch_and_add(&control->fired, 1);
  return control->action;
}

/* Calls that are too many to be looked at each time. */
static int is_ordered(uint32_t op) { return control != NULL && (control->ops & op) != 0; }

static void end_here(uint32_t action) {
  if (action == KILL || action == CUT) {
    syscall(SYS_kill, getpid(), SIGKILL);
    for (;;) pause();
  }
  if (action == STOP) syscall(SYS_kill, getpid(), SIGSTOP);
  while (action == HANG) pause();
}


/* ---- Bytes */

static int is_answer_202(const char *bytes, size_t length) {
  return length > 12 && memcmp(bytes, "HTTP/1.1 202", 12) == 0;
}

/* `offset` below 0: where the descriptor stands. */
static ssize_t write_pieces(int fd, const struct iovec *pieces, int count, long long offset) {
  char path[PATH_MAX];
  size_t length = 0;
  for (int i = 0; i < count; i++) length += pieces[i].iov_len;
  if (root_length == 0 || !path_of_fd(fd, path) || !is_ours(path)) {
    /* An acknowledgement leaves by a socket: told before it does. */
    if (root_length > 0 && count > 0 && is_answer_202(pieces[0].iov_base, pieces[0].iov_len)) tell("ack", "ok", 0, 0, 0, "HTTP 202", "");
    return offset < 0 ? syscall(SYS_writev, fd, pieces, count) : syscall(SYS_pwritev, fd, pieces, count, (long)offset, 0L);
  }
  unsigned long inode = inode_of_fd(fd);
  int flags = fcntl(fd, F_GETFL);
  long long at = offset;
  if (offset < 0) at = (flags & O_APPEND) ? lseek(fd, 0, SEEK_END) : lseek(fd, 0, SEEK_CUR);
  uint32_t action = verdict(OP_WRITE, path, "");
  ssize_t result;
  if (action == KILL || action == STOP) {
    if (!control->after) end_here(action);
  }
  if (action == CUT && length < 2) end_here(action);
  if (action == FAIL) {
    errno = (int)control->error;
    result = -1;
  } else if ((action == SHORT || action == TORN || action == CUT) && length > 1) {
    size_t half = length / 2;
    char *bytes = malloc(length);
    size_t filled = 0;
    for (int i = 0; i < count; i++) {
      memcpy(bytes + filled, pieces[i].iov_base, pieces[i].iov_len);
      filled += pieces[i].iov_len;
    }
    result = offset < 0 ? syscall(SYS_write, fd, bytes, half) : syscall(SYS_pwrite64, fd, bytes, half, (long)offset);
    free(bytes);
    if (action == CUT) {
      if (result >= 0) tell_bytes("write", "ok", inode, at, result, path, "", with_bytes ? pieces : NULL, count);
      end_here(action);
    }
    if (action == TORN) {
      tell_bytes("write", "ok", inode, at, result, path, "", with_bytes ? pieces : NULL, count);
      errno = (int)control->error;
      result = -1;
    }
  } else {
    result = offset < 0 ? syscall(SYS_writev, fd, pieces, count) : syscall(SYS_pwritev, fd, pieces, count, (long)offset, 0L);
  }
  if (result >= 0) {
    tell_bytes(flags & O_DSYNC ? "write-sync" : "write", "ok", inode, at, result, path, "", with_bytes ? pieces : NULL, count);
  }
  if ((action == KILL || action == STOP) && control->after) end_here(action);
  return result;
}

ssize_t write(int fd, const void *bytes, size_t length) {
  struct iovec piece = {(void *)bytes, length};
  return write_pieces(fd, &piece, 1, -1);
}
ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) {
  struct iovec piece = {(void *)bytes, length};
  return write_pieces(fd, &piece, 1, offset);
}
ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset) {
  struct iovec piece = {(void *)bytes, length};
  return write_pieces(fd, &piece, 1, offset);
}
ssize_t writev(int fd, const struct iovec *pieces, int count) { return write_pieces(fd, pieces, count, -1); }
ssize_t pwritev(int fd, const struct iovec *pieces, int count, off_t offset) { return write_pieces(fd, pieces, count, offset); }
ssize_t pwritev64(int fd, const struct iovec *pieces, int count, off64_t offset) { return write_pieces(fd, pieces, count, offset); }

/* `offset` below 0: where the descriptor stands. */
static ssize_t read_pieces(int fd, const struct iovec *pieces, int count, long long offset) {
  char path[PATH_MAX];
  if (is_ordered(OP_READ) && path_of_fd(fd, path) && is_ours(path) && verdict(OP_READ, path, "") == FAIL) {
    errno = (int)control->error;
    return -1;
  }
  return offset < 0 ? syscall(SYS_readv, fd, pieces, count) : syscall(SYS_preadv, fd, pieces, count, (long)offset, 0L);
}
ssize_t read(int fd, void *bytes, size_t length) {
  struct iovec piece = {bytes, length};
  return read_pieces(fd, &piece, 1, -1);
}
ssize_t pread(int fd, void *bytes, size_t length, off_t offset) {
  struct iovec piece = {bytes, length};
  return read_pieces(fd, &piece, 1, offset);
}
ssize_t pread64(int fd, void *bytes, size_t length, off64_t offset) {
  struct iovec piece = {bytes, length};
  return read_pieces(fd, &piece, 1, offset);
}
ssize_t readv(int fd, const struct iovec *pieces, int count) { return read_pieces(fd, pieces, count, -1); }
ssize_t preadv(int fd, const struct iovec *pieces, int count, off_t offset) { return read_pieces(fd, pieces, count, offset); }
ssize_t preadv64(int fd, const struct iovec *pieces, int count, off64_t offset) { return read_pieces(fd, pieces, count, offset); }

/* What copies without a write of ours: not used on files that are kept; a line makes it seen if that changes. */
ssize_t copy_file_range(int from, off64_t *from_offset, int to, off64_t *to_offset, size_t length, unsigned flags) {
  char path[PATH_MAX];
  ssize_t result = syscall(SYS_copy_file_range, from, from_offset, to, to_offset, length, flags);
  if (result > 0 && path_of_fd(to, path) && is_ours(path)) tell("write", "ok", inode_of_fd(to), 0, result, path, "");
  return result;
}

static int truncated(int fd, const char *name, off64_t length) {
  char path[PATH_MAX];
  if (fd >= 0 ? !path_of_fd(fd, path) : (path_at(AT_FDCWD, name, path), 0)) path[0] = 0;
  long plain = 0;
  if (!is_ours(path)) return (int)(fd >= 0 ? syscall(SYS_ftruncate, fd, length) : syscall(SYS_truncate, name, length));
  uint32_t action = verdict(OP_TRUNCATE, path, "");
  if (!(control != NULL && control->after)) end_here(action);
  if (action == FAIL || action == TORN || action == SHORT) {
    errno = (int)control->error;
    plain = -1;
  } else {
    plain = fd >= 0 ? syscall(SYS_ftruncate, fd, length) : syscall(SYS_truncate, name, length);
  }
  tell("truncate", outcome_of(plain), fd >= 0 ? inode_of_fd(fd) : inode_of(path), length, 0, path, "");
  if (control != NULL && control->after) end_here(action);
  return (int)plain;
}
int ftruncate(int fd, off_t length) { return truncated(fd, NULL, length); }
int ftruncate64(int fd, off64_t length) { return truncated(fd, NULL, length); }
int truncate(const char *path, off_t length) { return truncated(-1, path, length); }
int truncate64(const char *path, off64_t length) { return truncated(-1, path, length); }

/* ---- Syncs */

static int synced(int fd, long number) {
  char path[PATH_MAX];
  if (root_length == 0 || !path_of_fd(fd, path) || !is_ours(path)) return (int)syscall(number, fd);
  unsigned long inode = inode_of_fd(fd);
  uint32_t action = verdict(OP_SYNC, path, "");
  if (!(control != NULL && control->after)) end_here(action);
  tell("sync", "begin", inode, 0, 0, path, "");
  long result;
  if (action == FAIL || action == TORN || action == SHORT) {
    errno = (int)control->error;
    result = -1;
  } else {
    result = syscall(number, fd);
  }
  tell("sync", outcome_of(result), inode, 0, 0, path, "");
  if (control != NULL && control->after) end_here(action);
  return (int)result;
}
int fsync(int fd) { return synced(fd, SYS_fsync); }
int fdatasync(int fd) { return synced(fd, SYS_fdatasync); }

/* ---- Names */

static int renamed(const char *op, uint32_t bit, int from_dir, const char *from, int to_dir, const char *to, unsigned flags) {
  char source[PATH_MAX], target[PATH_MAX];
  long number = bit == OP_LINK ? SYS_linkat : SYS_renameat2;
  path_at(from_dir, from, source);
  path_at(to_dir, to, target);
  if (!is_ours(source) && !is_ours(target)) return (int)syscall(number, from_dir, from, to_dir, to, flags);
  unsigned long inode = inode_of(source);
  uint32_t action = verdict(bit, target, source);
  if (!(control != NULL && control->after)) end_here(action);
  tell(op, "begin", inode, 0, 0, source, target);
  long result;
  if (action == FAIL || action == TORN || action == SHORT) {
    errno = (int)control->error;
    result = -1;
  } else {
    result = syscall(number, from_dir, from, to_dir, to, flags);
  }
  tell(op, outcome_of(result), inode, 0, 0, source, target);
  if (control != NULL && control->after) end_here(action);
  return (int)result;
}
int rename(const char *from, const char *to) { return renamed("rename", OP_RENAME, AT_FDCWD, from, AT_FDCWD, to, 0); }
int renameat(int from_dir, const char *from, int to_dir, const char *to) { return renamed("rename", OP_RENAME, from_dir, from, to_dir, to, 0); }
int renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags) {
  return renamed("rename", OP_RENAME, from_dir, from, to_dir, to, flags);
}
int link(const char *from, const char *to) { return renamed("link", OP_LINK, AT_FDCWD, from, AT_FDCWD, to, 0); }
int linkat(int from_dir, const char *from, int to_dir, const char *to, int flags) {
  return renamed("link", OP_LINK, from_dir, from, to_dir, to, (unsigned)flags);
}

static int removed(int dir, const char *name, int flags) {
  char path[PATH_MAX];
  path_at(dir, name, path);
  if (!is_ours(path)) return (int)syscall(SYS_unlinkat, dir, name, flags);
  unsigned long inode = inode_of(path);
  uint32_t action = verdict(OP_UNLINK, path, "");
  if (!(control != NULL && control->after)) end_here(action);
  tell("unlink", "begin", inode, 0, 0, path, "");
  long result;
  if (action == FAIL || action == TORN || action == SHORT) {
    errno = (int)control->error;
    result = -1;
  } else {
    result = syscall(SYS_unlinkat, dir, name, flags);
  }
  tell("unlink", outcome_of(result), inode, 0, 0, path, "");
  if (control != NULL && control->after) end_here(action);
  return (int)result;
}
int unlink(const char *path) { return removed(AT_FDCWD, path, 0); }
int unlinkat(int dir, const char *path, int flags) { return removed(dir, path, flags); }
int rmdir(const char *path) { return removed(AT_FDCWD, path, AT_REMOVEDIR); }

static int made_dir(int dir, const char *name, mode_t mode) {
  char path[PATH_MAX];
  path_at(dir, name, path);
  if (!is_ours(path)) return (int)syscall(SYS_mkdirat, dir, name, mode);
  uint32_t action = verdict(OP_MKDIR, path, "");
  if (!(control != NULL && control->after)) end_here(action);
  long result;
  if (action == FAIL || action == TORN || action == SHORT) {
    errno = (int)control->error;
    result = -1;
  } else {
    result = syscall(SYS_mkdirat, dir, name, mode);
  }
  if (result == 0) tell("mkdir", "ok", inode_of(path), 0, 0, path, "");
  if (control != NULL && control->after) end_here(action);
  return (int)result;
}
int mkdir(const char *path, mode_t mode) { return made_dir(AT_FDCWD, path, mode); }
int mkdirat(int dir, const char *path, mode_t mode) { return made_dir(dir, path, mode); }

static int opened(int dir, const char *name, int flags, mode_t mode) {
  char path[PATH_MAX];
  if (root_length == 0 || ((flags & (O_CREAT | O_TRUNC)) == 0 && !is_ordered(OP_OPEN))) return (int)syscall(SYS_openat, dir, name, flags, mode);
  path_at(dir, name, path);
  if (is_ours(path) && is_ordered(OP_OPEN) && inode_of(path) != 0 && verdict(OP_OPEN, path, "") == FAIL) {
    errno = (int)control->error;
    return -1;
  }
  if ((flags & (O_CREAT | O_TRUNC)) == 0) return (int)syscall(SYS_openat, dir, name, flags, mode);
  if (!is_ours(path)) return (int)syscall(SYS_openat, dir, name, flags, mode);
  int is_new = inode_of(path) == 0;
  uint32_t action = is_new ? verdict(OP_CREATE, path, "") : 0;
  if (!(control != NULL && control->after)) end_here(action);
  long fd;
  if (action == FAIL || action == TORN || action == SHORT) {
    errno = (int)control->error;
    fd = -1;
  } else {
    fd = syscall(SYS_openat, dir, name, flags, mode);
  }
  if (fd >= 0) {
    if (is_new) tell("create", "ok", inode_of_fd((int)fd), 0, 0, path, "");
    else if (flags & O_TRUNC) tell("truncate", "ok", inode_of_fd((int)fd), 0, 0, path, "");
  }
  if (control != NULL && control->after) end_here(action);
  return (int)fd;
}

static mode_t mode_of(int flags, va_list rest) { return flags & (O_CREAT | __O_TMPFILE) ? va_arg(rest, mode_t) : 0; }

#define OPEN(name, flag)                                   \
  int name(const char *path, int flags, ...) {             \
    va_list rest;                                          \
    va_start(rest, flags);                                 \
    mode_t mode = mode_of(flags, rest);                    \
    va_end(rest);                                          \
    return opened(AT_FDCWD, path, flags | (flag), mode);   \
  }
#define OPENAT(name, flag)                                 \
  int name(int dir, const char *path, int flags, ...) {    \
    va_list rest;                                          \
    va_start(rest, flags);                                 \
    mode_t mode = mode_of(flags, rest);                    \
    va_end(rest);                                          \
    return opened(dir, path, flags | (flag), mode);        \
  }
OPEN(open, 0)
OPEN(open64, O_LARGEFILE)
OPENAT(openat, 0)
OPENAT(openat64, O_LARGEFILE)

/* ---- The time of day */

/* Only the clock that people set moves; timers, which wait on others, do not. */
int clock_gettime(clockid_t clock, struct timespec *at) {
  int result = (int)syscall(SYS_clock_gettime, clock, at);
  if (result == 0 && control != NULL && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) at->tv_sec += control->clock_s;
  return result;
}
int gettimeofday(struct timeval *at, void *zone) {
  struct timespec now;
  (void)zone;
  clock_gettime(CLOCK_REALTIME, &now);
  at->tv_sec = now.tv_sec;
  at->tv_usec = now.tv_nsec / 1000;
  return 0;
}
time_t time(time_t *into) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME_COARSE, &now);
  if (into != NULL) *into = now.tv_sec;
  return now.tv_sec;
}
