/* Addresses a VM's interface in one exchange: `ip` would take five to ten times as long as the launch that is measured. */
#define _GNU_SOURCE
#include "CNamespaceKit.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

struct batch {
    uint8_t bytes[1024];
    size_t length;
    struct nlmsghdr *message;
    uint32_t count;
};

static void *begin(struct batch *batch, uint16_t type, uint16_t flags, const void *body, size_t length) {
    struct nlmsghdr *message = (struct nlmsghdr *)(batch->bytes + batch->length);
    message->nlmsg_len = NLMSG_LENGTH(length);
    message->nlmsg_type = type;
    message->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
    message->nlmsg_seq = ++batch->count;
    memcpy(NLMSG_DATA(message), body, length);
    batch->message = message;
    return NLMSG_DATA(message);
}

static void put(struct batch *batch, uint16_t type, const void *data, size_t length) {
    struct nlmsghdr *message = batch->message;
    struct rtattr *attribute = (struct rtattr *)((uint8_t *)message + NLMSG_ALIGN(message->nlmsg_len));
    attribute->rta_type = type;
    attribute->rta_len = RTA_LENGTH(length);
    memcpy(RTA_DATA(attribute), data, length);
    message->nlmsg_len = NLMSG_ALIGN(message->nlmsg_len) + RTA_ALIGN(attribute->rta_len);
}

static void end(struct batch *batch) { batch->length += NLMSG_ALIGN(batch->message->nlmsg_len); }

static void address(struct batch *batch, int family, uint32_t index, const uint8_t *bytes) {
    size_t length = family == AF_INET ? 4 : 16;
    struct ifaddrmsg body = {.ifa_family = family, .ifa_prefixlen = length * 8, .ifa_index = index};
    /* The address is this VM's alone: duplicate detection would hold it back for a second. */
    if (family == AF_INET6) body.ifa_flags = IFA_F_NODAD;
    begin(batch, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, &body, sizeof body);
    put(batch, IFA_LOCAL, bytes, length);
    put(batch, IFA_ADDRESS, bytes, length);
    end(batch);
}

static void default_route(struct batch *batch, int family, uint32_t index, const uint8_t *gateway,
                          const uint8_t *source) {
    size_t length = family == AF_INET ? 4 : 16;
    struct rtmsg body = {.rtm_family = family, .rtm_table = RT_TABLE_MAIN, .rtm_protocol = RTPROT_STATIC,
                         .rtm_type = RTN_UNICAST, .rtm_flags = RTNH_F_ONLINK};
    begin(batch, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, &body, sizeof body);
    put(batch, RTA_GATEWAY, gateway, length);
    put(batch, RTA_OIF, &index, sizeof index);
    put(batch, RTA_PREFSRC, source, length);
    end(batch);
}

/* Answers of one send: the first error, or 0 when all are acknowledged. `type`, when asked for, gets the type of the
 * route that an answer describes. */
static int collect(int fd, uint32_t expected, uint8_t *type) {
    uint32_t answered = 0;
    int result = 0;
    while (answered < expected) {
        uint8_t answer[8192];
        int length = nskit_receive(fd, answer, sizeof answer, 2000000, NULL, NULL);
        if (length < 0) return length == -EAGAIN ? -ETIMEDOUT : length;
        for (struct nlmsghdr *message = (struct nlmsghdr *)answer; NLMSG_OK(message, (unsigned)length);
             message = NLMSG_NEXT(message, length)) {
            if (message->nlmsg_type == RTM_NEWROUTE && type)
                *type = ((struct rtmsg *)NLMSG_DATA(message))->rtm_type;
            else if (message->nlmsg_type != NLMSG_ERROR)
                continue;
            else if (!result)
                result = ((struct nlmsgerr *)NLMSG_DATA(message))->error;
            answered++;
        }
    }
    return result;
}

/* True when the kernel takes packets to the address as its own: it puts the route in later, from a work queue. */
static int is_local(int fd, const uint8_t *ipv6) {
    struct batch batch;
    memset(&batch, 0, sizeof batch);
    struct rtmsg body = {.rtm_family = AF_INET6, .rtm_dst_len = 128};
    begin(&batch, RTM_GETROUTE, 0, &body, sizeof body);
    batch.message->nlmsg_flags = NLM_F_REQUEST;
    put(&batch, RTA_DST, ipv6, 16);
    end(&batch);
    uint8_t type = 0;
    if (send(fd, batch.bytes, batch.length, 0) < 0) return 0;
    return collect(fd, 1, &type) == 0 && type == RTN_LOCAL;
}

/* True when packets can leave: the kernel gives a link its queue from a work item that waits for the network lock. */
static int is_running(int fd, const char *name) {
    struct ifreq request;
    memset(&request, 0, sizeof request);
    strncpy(request.ifr_name, name, IFNAMSIZ - 1);
    return ioctl(fd, SIOCGIFFLAGS, &request) == 0 && (request.ifr_flags & IFF_RUNNING);
}

int nskit_configure(int fd, const char *name, uint32_t mtu, const uint8_t *ipv4, const uint8_t *gateway4,
                    const uint8_t *ipv6, const uint8_t *gateway6) {
    struct ifreq request;
    memset(&request, 0, sizeof request);
    strncpy(request.ifr_name, name, IFNAMSIZ - 1);
    if (ioctl(fd, SIOCGIFINDEX, &request) < 0) return -errno;
    uint32_t index = (uint32_t)request.ifr_ifindex;

    struct batch batch;
    memset(&batch, 0, sizeof batch);
    struct ifinfomsg link = {.ifi_family = AF_UNSPEC, .ifi_index = (int)index, .ifi_flags = IFF_UP,
                             .ifi_change = IFF_UP};
    begin(&batch, RTM_NEWLINK, 0, &link, sizeof link);
    put(&batch, IFLA_MTU, &mtu, sizeof mtu);
    end(&batch);
    address(&batch, AF_INET, index, ipv4);
    address(&batch, AF_INET6, index, ipv6);
    default_route(&batch, AF_INET, index, gateway4, ipv4);
    default_route(&batch, AF_INET6, index, gateway6, ipv6);
    if (send(fd, batch.bytes, batch.length, 0) < 0) return -errno;
    int result = collect(fd, batch.count, NULL);
    if (result) return result;

    /* A packet sent before this is lost, and its ARP or neighbor request is repeated only after a second. */
    for (int tries = 0; tries < 5000; tries++) {
        if (is_running(fd, name) && is_local(fd, ipv6)) return 0;
        usleep(200);
    }
    return -ETIMEDOUT;
}
