#define _GNU_SOURCE
#include "bare.h"

#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int bare_open(int ns_fd) {
    int own = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    if (own < 0 || setns(ns_fd, CLONE_NEWNET) < 0) return -errno;
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    int result = fd < 0 ? -errno : fd;
    if (setns(own, CLONE_NEWNET) < 0) result = -errno;
    close(own);
    if (result < 0) return result;
    struct sockaddr_nl address = {.nl_family = AF_NETLINK};
    if (bind(result, (struct sockaddr *)&address, sizeof address) < 0) return -errno;
    int size = 16 << 20;
    setsockopt(result, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
    return result;
}

struct progress {
    struct bare_row *rows;
    size_t capacity, count;
};

static int take_attribute(const struct nlattr *attribute, void *data) {
    struct bare_row *row = data;
    if (mnl_attr_get_type(attribute) != IFLA_STATS_LINK_64) return MNL_CB_OK;
    const struct rtnl_link_stats64 *stats = mnl_attr_get_payload(attribute);
    row->rx_packets = stats->rx_packets;
    row->tx_packets = stats->tx_packets;
    row->rx_bytes = stats->rx_bytes;
    row->tx_bytes = stats->tx_bytes;
    return MNL_CB_OK;
}

static int take_message(const struct nlmsghdr *message, void *data) {
    struct progress *progress = data;
    if (progress->count == progress->capacity) return MNL_CB_ERROR;
    struct bare_row *row = &progress->rows[progress->count++];
    row->index = ((const struct if_stats_msg *)mnl_nlmsg_get_payload(message))->ifindex;
    return mnl_attr_parse(message, sizeof(struct if_stats_msg), take_attribute, row);
}

int bare_dump(int fd, struct bare_row *rows, size_t capacity) {
    static char buffer[64 << 10];
    static uint32_t sequence;
    struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
    request->nlmsg_type = RTM_GETSTATS;
    request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    request->nlmsg_seq = ++sequence;
    struct if_stats_msg *head = mnl_nlmsg_put_extra_header(request, sizeof *head);
    head->filter_mask = IFLA_STATS_FILTER_BIT(IFLA_STATS_LINK_64);
    if (send(fd, request, request->nlmsg_len, 0) < 0) return -errno;
    struct progress progress = {rows, capacity, 0};
    for (;;) {
        ssize_t length = recv(fd, buffer, sizeof buffer, 0);
        if (length < 0) return -errno;
        int result = mnl_cb_run(buffer, (size_t)length, sequence, 0, take_message, &progress);
        if (result < 0) return -errno;
        if (result == MNL_CB_STOP) return (int)progress.count;
    }
}
