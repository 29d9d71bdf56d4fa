#define _GNU_SOURCE
#include "routeloop.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PER_SEND 256
#define MESSAGE 64

static int socket_in(int ns_fd, int domain, int type) {
    int own = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    if (own < 0 || setns(ns_fd, CLONE_NEWNET) < 0) return -errno;
    int fd = socket(domain, type | SOCK_CLOEXEC, 0);
    int result = fd < 0 ? -errno : fd;
    if (setns(own, CLONE_NEWNET) < 0) result = -errno;
    close(own);
    return result;
}

int routeloop_open(int ns_fd) {
    int fd = socket_in(ns_fd, AF_NETLINK, SOCK_RAW);
    if (fd < 0) return fd;
    struct sockaddr_nl address = {.nl_family = AF_NETLINK};
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0) return -errno;
    int size = 16 << 20;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
    return fd;
}

static int await(int fd, uint32_t last) {
    char answers[64 << 10];
    for (;;) {
        ssize_t length = recv(fd, answers, sizeof answers, 0);
        if (length < 0) return -errno;
        int left = (int)length;
        for (struct nlmsghdr *answer = (void *)answers; mnl_nlmsg_ok(answer, left); answer = mnl_nlmsg_next(answer, &left)) {
            if (answer->nlmsg_type != NLMSG_ERROR) continue;
            int error = ((struct nlmsgerr *)mnl_nlmsg_get_payload(answer))->error;
            if (error) return error;
            if (answer->nlmsg_seq == last) return 0;
        }
    }
}

int routeloop_add(int fd, uint32_t base, uint32_t count, uint32_t first, uint32_t nexthops) {
    static char buffer[PER_SEND * MESSAGE];
    static uint32_t sequence;
    for (uint32_t start = 0; start < count; start += PER_SEND) {
        uint32_t end = start + PER_SEND < count ? start + PER_SEND : count;
        size_t used = 0;
        for (uint32_t i = start; i < end; i++) {
            struct nlmsghdr *message = mnl_nlmsg_put_header(buffer + used);
            message->nlmsg_type = RTM_NEWROUTE;
            message->nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_REPLACE | (i + 1 == end ? NLM_F_ACK : 0);
            message->nlmsg_seq = ++sequence;
            struct rtmsg *head = mnl_nlmsg_put_extra_header(message, sizeof *head);
            head->rtm_family = AF_INET;
            head->rtm_dst_len = 28;
            head->rtm_table = RT_TABLE_MAIN;
            head->rtm_protocol = 83;
            head->rtm_type = RTN_UNICAST;
            mnl_attr_put_u32(message, RTA_DST, htonl(base + 16 * i));
            mnl_attr_put_u32(message, RTA_NH_ID, first + i % nexthops);
            used += NLMSG_ALIGN(message->nlmsg_len);
        }
        if (send(fd, buffer, used, 0) < 0) return -errno;
        int result = await(fd, sequence);
        if (result < 0) return result;
    }
    return 0;
}

int routeloop_blast(int ns_fd, uint32_t destination, uint16_t port, uint32_t count) {
    int fd = socket_in(ns_fd, AF_INET, SOCK_DGRAM);
    if (fd < 0) return fd;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(destination)};
    char payload[18] = {0};
    struct iovec part = {payload, sizeof payload};
    struct mmsghdr messages[64];
    memset(messages, 0, sizeof messages);
    for (int i = 0; i < 64; i++) {
        messages[i].msg_hdr.msg_name = &to;
        messages[i].msg_hdr.msg_namelen = sizeof to;
        messages[i].msg_hdr.msg_iov = &part;
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    int result = 0;
    for (uint32_t sent = 0; sent < count && result >= 0;) {
        int some = sendmmsg(fd, messages, 64, 0);
        if (some < 0 && errno != ENOBUFS) result = -errno;
        if (some > 0) sent += (uint32_t)some;
    }
    close(fd);
    return result;
}
