#pragma once
// System calls that Swift cannot make itself: variadic ioctls, per-thread namespaces, unions of socket addresses.
// Every function returns 0 (or a descriptor, or a length) on success and a negative errno on failure; none of them
// keeps state or prints. Descriptors are close-on-exec.
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "workload.h"

// MARK: Network namespaces (namespace.c)

/// Opens a network namespace by path; -EINVAL when the path is something else.
/// In C because NS_GET_NSTYPE is a variadic ioctl.
int outrider_ns_open(const char *path);

/// Opens the namespace of the calling process as it is now. In C to share the type check with outrider_ns_open.
int outrider_ns_open_current(void);

/// 1 when both descriptors mean the same namespace, 0 when not. In C because `struct stat` differs per C library.
int outrider_ns_same(int first, int second);

/// Makes a network namespace that lives as long as `path` (as `ip netns add` does): the parent folder is made and
/// turned into a shared mount, the namespace is born on a thread of its own and bind-mounted on the path.
/// In C because unshare(2) acts on the calling thread, and Swift's threads belong to its pools.
int outrider_ns_create(const char *path);

/// Takes the mount off the path and removes the file; the namespace dies with its last user.
/// In C to keep creation and deletion of the mount in one place.
int outrider_ns_delete(const char *path);

/// Runs `body` on a fresh thread inside the namespace and returns what it returned; the thread then ends, so that no
/// other code ever runs there. In C because setns(2) acts on the calling thread.
int outrider_ns_run(int ns_fd, int (*body)(void *context), void *context);

/// socket(2) inside the namespace: a socket keeps the namespace that it was opened in.
/// In C for the thread of outrider_ns_run.
int outrider_ns_socket(int ns_fd, int domain, int type, int protocol);

/// Replaces the content of a file, seen from inside the namespace: /proc/sys/net shows the namespace of the task that
/// opens it. Returns 0. In C for the thread of outrider_ns_run.
int outrider_ns_write_file(int ns_fd, const char *path, const char *data, size_t length);

/// Reads a file, seen from inside the namespace; returns the number of bytes. In C for the thread of outrider_ns_run.
int outrider_ns_read_file(int ns_fd, const char *path, char *data, size_t capacity);

/// Opens `/dev/net/tun` up to `count` times; returns how many. A descriptor belongs to the namespace that it was opened
/// in, so one thread serves many taps.
int outrider_ns_open_tuns(int ns_fd, int *descriptors, int count);

/// Makes an open descriptor a tap (IFF_TAP | IFF_NO_PI) in the namespace that the descriptor belongs to, or attaches it to
/// the tap of that name; `exclusive`: -EBUSY when there is any device of that name. Owner and group: negative
/// sets none.
/// On failure the caller closes the descriptor, and with it what was made. `persistent`: the device outlives the
/// descriptor. Owner and group may open it without CAP_NET_ADMIN.
/// In C because TUNSETIFF is a variadic ioctl on a struct with a union.
int outrider_tap_attach(int fd, const char *name, int exclusive, int persistent, int64_t owner, int64_t group);

// MARK: Memory (process.c)

/// Tells the C library's allocator to keep little: few arenas, and large blocks back to the kernel when they are freed.
/// Before threads are many. In C because mallopt(3)'s constants are macros.
void outrider_memory_prepare(void);

/// Gives free memory back to the kernel (malloc_trim(3)); milliseconds.
void outrider_memory_return(void);

// MARK: Local sockets, locks, service manager (process.c)

/// Sends one state text ("READY=1") to the service manager's datagram socket (sd_notify(3)); a leading '@' names an
/// abstract address. In C because sockaddr_un with an abstract name is a union of lengths and bytes.
int outrider_sd_notify(const char *socket_path, const char *state);

/// Credentials of the peer of a Unix stream socket at connect time (SO_PEERCRED).
/// In C because struct ucred is hidden behind _GNU_SOURCE.
int outrider_peer_credentials(int fd, int32_t *pid, uint32_t *uid, uint32_t *gid);

/// Opens a set of descriptors that are waited for together (epoll(7)).
/// In C, as the next three, because Swift's module of the C library has no <sys/epoll.h>.
int outrider_waiter_open(void);

/// Adds a descriptor: it is ready when it can be read, its peer hung up, or it failed.
int outrider_waiter_watch(int waiter, int fd);

/// Takes a descriptor out.
int outrider_waiter_forget(int waiter, int fd);

/// Waits until some of the descriptors are ready; returns how many, at most 64. They stay in the set.
int outrider_waiter_next(int waiter, int *ready, int capacity);

/// Takes an exclusive advisory lock (flock(2)) without waiting; -EWOULDBLOCK when somebody else holds it.
/// In C to retry EINTR and keep the flock() / struct flock name clash out of Swift.
int outrider_lock_exclusive(int fd);

/// Binds and listens on a Unix stream socket with the given file mode and group (group < 0 leaves it); an existing
/// file is replaced only when nobody answers on it (-EADDRINUSE). In C for sockaddr_un.
int outrider_unix_listen(const char *path, int backlog, uint32_t mode, int64_t group);

/// Connects to a Unix stream socket. In C for sockaddr_un.
int outrider_unix_connect(const char *path);

/// accept4(2) with close-on-exec, EINTR retried. In C because accept4 hides behind _GNU_SOURCE.
int outrider_unix_accept(int fd);
