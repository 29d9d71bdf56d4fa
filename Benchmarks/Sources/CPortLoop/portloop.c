#define _GNU_SOURCE
#include "portloop.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MTU 1450

struct job {
    int ns_fd, other_ns_fd;
    uint32_t first, count;
    int serves;
    double *microseconds;
    int (*body)(struct job *);
    int result;
};

// The thread ends with the namespace that it entered.
static void *run_job(void *argument) {
    struct job *job = argument;
    job->result = setns(job->ns_fd, CLONE_NEWNET) < 0 ? -errno : job->body(job);
    return NULL;
}

static int run(struct job job) {
    pthread_t thread;
    int error = pthread_create(&thread, NULL, run_job, &job);
    if (error) return -error;
    pthread_join(thread, NULL);
    return job.result;
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e6 + (double)time.tv_nsec * 1e-3;
}

static int route_socket(void) {
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    struct sockaddr_nl address = {.nl_family = AF_NETLINK};
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0) return -errno;
    return fd;
}

static int socket_in(int ns_fd, int own_fd) {
    if (setns(ns_fd, CLONE_NEWNET) < 0) return -errno;
    int fd = route_socket();
    return setns(own_fd, CLONE_NEWNET) < 0 ? -errno : fd;
}

static struct nlmsghdr *link_message(char *buffer, uint16_t flags, int index, int up) {
    struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
    message->nlmsg_type = RTM_NEWLINK;
    message->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
    struct ifinfomsg *info = mnl_nlmsg_put_extra_header(message, sizeof *info);
    info->ifi_index = index;
    if (up) info->ifi_flags = info->ifi_change = IFF_UP;
    return message;
}

static int change(int fd, struct nlmsghdr *message) {
    char answer[1024];
    if (send(fd, message, message->nlmsg_len, 0) < 0) return -errno;
    ssize_t length = recv(fd, answer, sizeof answer, 0);
    if (length < (ssize_t)(NLMSG_HDRLEN + sizeof(int))) return length < 0 ? -errno : -EBADMSG;
    return ((struct nlmsgerr *)mnl_nlmsg_get_payload((struct nlmsghdr *)answer))->error;
}

static void put_address(struct nlmsghdr *message, uint8_t kind, uint32_t number, uint32_t mtu) {
    uint8_t mac[6] = {kind, 0x4f, 0x52, (uint8_t)(number >> 16), (uint8_t)(number >> 8), (uint8_t)number};
    mnl_attr_put(message, IFLA_ADDRESS, sizeof mac, mac);
    if (mtu) mnl_attr_put_u32(message, IFLA_MTU, mtu);
}

static int raise_named(int fd, const char *name) {
    char buffer[512];
    struct nlmsghdr *message = link_message(buffer, 0, 0, 1);
    mnl_attr_put_strz(message, IFLA_IFNAME, name);
    return change(fd, message);
}

static int index_of(int fd, const char *name) {
    struct ifreq request = {0};
    snprintf(request.ifr_name, sizeof request.ifr_name, "%.15s", name);
    return ioctl(fd, SIOCGIFINDEX, &request) < 0 ? -errno : request.ifr_ifindex;
}

// MARK: What serves a VM

struct batch {
    char buffer[2048];
    struct nlmsghdr *last;
    size_t length;
};

static void *add(struct batch *batch, uint16_t type, size_t size) {
    struct nlmsghdr *message = mnl_nlmsg_put_header(batch->buffer + batch->length);
    message->nlmsg_type = type;
    message->nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_REPLACE;
    batch->last = message;
    return mnl_nlmsg_put_extra_header(message, size);
}

static void end(struct batch *batch) { batch->length += NLMSG_ALIGN(batch->last->nlmsg_len); }

static void add_neighbor(struct batch *batch, int index, int family, const void *address, uint32_t number) {
    struct ndmsg *head = add(batch, RTM_NEWNEIGH, sizeof *head);
    head->ndm_family = (uint8_t)family;
    head->ndm_ifindex = index;
    head->ndm_state = NUD_PERMANENT;
    mnl_attr_put(batch->last, NDA_DST, family == AF_INET ? 4 : 16, address);
    uint8_t mac[6] = {6, 0x4f, 0x52, (uint8_t)(number >> 16), (uint8_t)(number >> 8), (uint8_t)number};
    mnl_attr_put(batch->last, NDA_LLADDR, sizeof mac, mac);
    end(batch);
}

static void add_route(struct batch *batch, int index, int family, const void *address) {
    struct rtmsg *head = add(batch, RTM_NEWROUTE, sizeof *head);
    head->rtm_family = (uint8_t)family;
    head->rtm_dst_len = family == AF_INET ? 32 : 128;
    head->rtm_table = RT_TABLE_MAIN;
    head->rtm_protocol = 83;
    head->rtm_type = RTN_UNICAST;
    head->rtm_scope = family == AF_INET ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
    mnl_attr_put(batch->last, RTA_DST, family == AF_INET ? 4 : 16, address);
    mnl_attr_put_u32(batch->last, RTA_OIF, (uint32_t)index);
    struct nlattr *metrics = mnl_attr_nest_start(batch->last, RTA_METRICS);
    mnl_attr_put_u32(batch->last, RTAX_MTU, MTU);
    mnl_attr_nest_end(batch->last, metrics);
    end(batch);
}

// The gateway's address, and neighbor and route for each address of the VM, in one system call; only the last is
// acknowledged.
static int serve(int route, int lookup, const char *name, uint32_t number) {
    struct batch batch = {0};
    int index = index_of(lookup, name);
    if (index < 0) return index;
    struct in6_addr gateway, global, local;
    uint32_t address = htonl(0x0a000000 | number);
    inet_pton(AF_INET6, "fe80::1", &gateway);
    inet_pton(AF_INET6, "fd53:4e49:5349:10::1", &global);
    inet_pton(AF_INET6, "fe80::44f:52ff:fe00:0", &local);
    memcpy(&global.s6_addr[8], &address, 4);
    memcpy(&local.s6_addr[13], (uint8_t *)&address + 1, 3);
    struct ifaddrmsg *head = add(&batch, RTM_NEWADDR, sizeof *head);
    head->ifa_family = AF_INET6;
    head->ifa_prefixlen = 128;
    head->ifa_flags = IFA_F_NODAD;
    head->ifa_scope = RT_SCOPE_LINK;
    head->ifa_index = (uint32_t)index;
    mnl_attr_put(batch.last, IFA_LOCAL, sizeof gateway, &gateway);
    mnl_attr_put_u32(batch.last, IFA_FLAGS, IFA_F_NODAD | IFA_F_NOPREFIXROUTE);
    end(&batch);
    add_neighbor(&batch, index, AF_INET, &address, number);
    add_neighbor(&batch, index, AF_INET6, &global, number);
    add_neighbor(&batch, index, AF_INET6, &local, number);
    add_route(&batch, index, AF_INET, &address);
    add_route(&batch, index, AF_INET6, &global);
    add_route(&batch, index, AF_INET6, &local);
    batch.last->nlmsg_flags |= NLM_F_ACK;
    char answer[4096];
    if (send(route, batch.buffer, batch.length, 0) < 0) return -errno;
    ssize_t length = recv(route, answer, sizeof answer, 0);
    if (length < (ssize_t)(NLMSG_HDRLEN + sizeof(int))) return length < 0 ? -errno : -EBADMSG;
    return ((struct nlmsgerr *)mnl_nlmsg_get_payload((struct nlmsghdr *)answer))->error;
}

// MARK: Devices

static int make_taps(struct job *job) {
    int route = route_socket(), lookup = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int result = lookup < 0 ? -errno : route < 0 ? route : 0;
    for (uint32_t i = 0; i < job->count && result >= 0; i++) {
        struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
        snprintf(request.ifr_name, sizeof request.ifr_name, "bare%06x", job->first + i);
        char buffer[512];
        double start = now();
        int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
        if (fd < 0 || ioctl(fd, TUNSETIFF, &request) < 0 || ioctl(fd, TUNSETPERSIST, 1) < 0) result = -errno;
        close(fd);
        struct nlmsghdr *message = link_message(buffer, 0, 0, 1);
        mnl_attr_put_strz(message, IFLA_IFNAME, request.ifr_name);
        // One that serves says its MTU by its routes: each change walks all IPv6 routes of the namespace.
        put_address(message, 2, 1, job->serves ? 0 : MTU);
        if (result >= 0) result = change(route, message);
        if (result >= 0 && job->serves) result = serve(route, lookup, request.ifr_name, job->first + i);
        job->microseconds[i] = now() - start;
    }
    if (route >= 0) close(route);
    if (lookup >= 0) close(lookup);
    return result;
}

static int make_veths(struct job *job) {
    int own = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    int route = route_socket(), peer_route = socket_in(job->other_ns_fd, own);
    int lookup = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int result = own < 0 || lookup < 0 ? -errno : route < 0 ? route : peer_route < 0 ? peer_route : 0;
    for (uint32_t i = 0; i < job->count && result >= 0; i++) {
        char buffer[1024], name[16], peer_name[16];
        snprintf(name, sizeof name, "bare%06x", job->first + i);
        snprintf(peer_name, sizeof peer_name, "peer%06x", job->first + i);
        double start = now();
        struct nlmsghdr *message = link_message(buffer, NLM_F_CREATE | NLM_F_EXCL, 0, 0);
        mnl_attr_put_strz(message, IFLA_IFNAME, name);
        put_address(message, 2, 1, MTU);
        struct nlattr *info = mnl_attr_nest_start(message, IFLA_LINKINFO);
        mnl_attr_put_strz(message, IFLA_INFO_KIND, "veth");
        struct nlattr *data = mnl_attr_nest_start(message, IFLA_INFO_DATA);
        struct nlattr *peer = mnl_attr_nest_start(message, VETH_INFO_PEER);
        mnl_nlmsg_put_extra_header(message, sizeof(struct ifinfomsg));
        mnl_attr_put_strz(message, IFLA_IFNAME, peer_name);
        put_address(message, 6, job->first + i, MTU);
        mnl_attr_put_u32(message, IFLA_NET_NS_FD, (uint32_t)job->other_ns_fd);
        mnl_attr_nest_end(message, peer);
        mnl_attr_nest_end(message, data);
        mnl_attr_nest_end(message, info);
        result = change(route, message);
        if (result >= 0) result = raise_named(peer_route, peer_name);
        if (result >= 0) result = raise_named(route, name);
        if (result >= 0 && job->serves) result = serve(route, lookup, name, job->first + i);
        job->microseconds[i] = now() - start;
    }
    if (route >= 0) close(route);
    if (lookup >= 0) close(lookup);
    if (peer_route >= 0) close(peer_route);
    if (own >= 0) close(own);
    return result;
}

static int move_taps(struct job *job) {
    int own = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    int route = route_socket(), target = socket_in(job->other_ns_fd, own);
    int lookup = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int result = own < 0 || lookup < 0 ? -errno : route < 0 ? route : target < 0 ? target : 0;
    for (uint32_t i = 0; i < job->count && result >= 0; i++) {
        char buffer[512], name[16], old[16];
        snprintf(old, sizeof old, "bare%06x", job->first + i);
        snprintf(name, sizeof name, "move%06x", job->first + i);
        int index = index_of(lookup, old);
        if (index < 0) return index;
        double start = now();
        struct nlmsghdr *message = link_message(buffer, 0, index, 0);
        mnl_attr_put_strz(message, IFLA_IFNAME, name);
        mnl_attr_put_u32(message, IFLA_NET_NS_FD, (uint32_t)job->other_ns_fd);
        result = change(route, message);
        if (result >= 0) result = raise_named(target, name);
        job->microseconds[i] = now() - start;
    }
    if (route >= 0) close(route);
    if (target >= 0) close(target);
    if (lookup >= 0) close(lookup);
    if (own >= 0) close(own);
    return result;
}

int portloop_taps(int ns_fd, uint32_t first, uint32_t count, int serves, double *microseconds) {
    return run((struct job){ns_fd, -1, first, count, serves, microseconds, make_taps, 0});
}

int portloop_veths(int ns_fd, int peer_ns_fd, uint32_t first, uint32_t count, int serves, double *microseconds) {
    return run((struct job){ns_fd, peer_ns_fd, first, count, serves, microseconds, make_veths, 0});
}

int portloop_moves(int source_ns_fd, int ns_fd, uint32_t first, uint32_t count, double *microseconds) {
    return run((struct job){source_ns_fd, ns_fd, first, count, 0, microseconds, move_taps, 0});
}
