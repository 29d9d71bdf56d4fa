#define _GNU_SOURCE
#include "nl_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <netlink/errno.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/netlink.h>
#include <unistd.h>

int outrider_genl_resolve(int fd, const char *name) {
    // libnl closes what it is given; the caller keeps its own descriptor of the same socket.
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (copy < 0) return -errno;
    struct nl_sock *socket = nl_socket_alloc();
    if (!socket || nl_socket_set_fd(socket, NETLINK_GENERIC, copy) < 0) {
        nl_socket_free(socket);
        close(copy);
        return -ENOMEM;
    }
    int family = genl_ctrl_resolve(socket, name);
    nl_socket_free(socket);
    if (family >= 0) return family;
    return family == -NLE_OBJ_NOTFOUND ? -ENOENT : family == -NLE_PERM ? -EPERM : -EIO;
}
