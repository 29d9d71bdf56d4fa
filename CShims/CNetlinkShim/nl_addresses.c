#define _GNU_SOURCE
#include "nl_builder.h"

#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <netlink/addr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/neighbour.h>

struct nl_object *outrider_nl_object(const void *message);

/// Copies a message that libnl built; frees it.
static int take(struct nl_msg *message, void *buffer, size_t capacity) {
    const struct nlmsghdr *header = nlmsg_hdr(message);
    int length = header->nlmsg_len;
    if (capacity < (size_t)length) {
        length = -ENOBUFS;
    } else {
        memcpy(buffer, header, length);
        ((struct nlmsghdr *)buffer)->nlmsg_flags |= NLM_F_REQUEST;
    }
    nlmsg_free(message);
    return length;
}

// MARK: Addresses

int outrider_nl_address_change(void *buffer, size_t capacity, int add, const struct outrider_address *address) {
    if (address->family != AF_INET && address->family != AF_INET6) return -EAFNOSUPPORT;
    struct rtnl_addr *object = rtnl_addr_alloc();
    struct nl_addr *local = nl_addr_build(address->family, address->address, address_size(address->family));
    struct nl_msg *message = NULL;
    int result = -ENOMEM;
    if (!object || !local) goto out;
    nl_addr_set_prefixlen(local, address->prefix_length);
    rtnl_addr_set_ifindex(object, address->index);
    rtnl_addr_set_local(object, local);
    if (add && address->family == AF_INET6) rtnl_addr_set_flags(object, IFA_F_NODAD);
    if (add)
        result = rtnl_addr_build_add_request(object, NLM_F_CREATE | NLM_F_REPLACE, &message);
    else
        result = rtnl_addr_build_delete_request(object, 0, &message);
    if (result < 0) {
        result = -EINVAL;
        goto out;
    }
    if (add && address->protocol && nla_put_u8(message, IFA_PROTO, address->protocol) < 0) {
        nlmsg_free(message);
        result = -ENOMEM;
        goto out;
    }
    // An address alone in its network: its route of the local table is all that it needs.
    if (add && address->family == AF_INET6 && address->prefix_length == 128 &&
        nla_put_u32(message, IFA_FLAGS, IFA_F_NODAD | IFA_F_NOPREFIXROUTE) < 0) {
        nlmsg_free(message);
        result = -ENOMEM;
        goto out;
    }
    result = take(message, buffer, capacity);
out:
    nl_addr_put(local);
    rtnl_addr_put(object);
    return result;
}

int outrider_nl_address_dump(void *buffer, size_t capacity) {
    struct nlmsghdr *header = begin(buffer, capacity, RTM_GETADDR, NLM_F_DUMP);
    if (!header) return -ENOBUFS;
    mnl_nlmsg_put_extra_header(header, sizeof(struct ifaddrmsg));
    return header->nlmsg_len;
}

int outrider_nl_address_parse(const void *message, size_t length, struct outrider_address *address) {
    memset(address, 0, sizeof *address);
    const struct nlmsghdr *header = message_header(message, length);
    const struct nlattr *table[IFA_PROTO + 1];
    if (!header || (header->nlmsg_type != RTM_NEWADDR && header->nlmsg_type != RTM_DELADDR) ||
        sort_attributes(header, sizeof(struct ifaddrmsg), table, IFA_PROTO + 1) < 0)
        return -EBADMSG;
    struct rtnl_addr *source = (struct rtnl_addr *)outrider_nl_object(message);
    if (!source) return -EBADMSG;
    struct nl_addr *local = rtnl_addr_get_local(source);
    int result = -EBADMSG;
    if (local && nl_addr_get_len(local) <= sizeof address->address) {
        address->index = rtnl_addr_get_ifindex(source);
        address->family = rtnl_addr_get_family(source);
        address->prefix_length = rtnl_addr_get_prefixlen(source);
        address->scope = rtnl_addr_get_scope(source);
        memcpy(address->address, nl_addr_get_binary_addr(local), nl_addr_get_len(local));
        if (table[IFA_PROTO]) address->protocol = get_u8(table[IFA_PROTO]);
        result = 0;
    }
    rtnl_addr_put(source);
    return result;
}

// MARK: Neighbors

int outrider_nl_neighbor_change(void *buffer, size_t capacity, int add, const struct outrider_neighbor *neighbor) {
    if (neighbor->family != AF_INET && neighbor->family != AF_INET6) return -EAFNOSUPPORT;
    struct rtnl_neigh *object = rtnl_neigh_alloc();
    struct nl_addr *address = nl_addr_build(neighbor->family, neighbor->address, address_size(neighbor->family));
    struct nl_addr *mac = nl_addr_build(AF_LLC, neighbor->mac, sizeof neighbor->mac);
    struct nl_msg *message = NULL;
    int result = -ENOMEM;
    if (!object || !address || !mac) goto out;
    rtnl_neigh_set_ifindex(object, neighbor->index);
    rtnl_neigh_set_dst(object, address);
    if (add) {
        rtnl_neigh_set_lladdr(object, mac);
        rtnl_neigh_set_state(object, NUD_PERMANENT);
        result = rtnl_neigh_build_add_request(object, NLM_F_CREATE | NLM_F_REPLACE, &message);
    } else {
        result = rtnl_neigh_build_delete_request(object, 0, &message);
    }
    result = result < 0 ? -EINVAL : take(message, buffer, capacity);
out:
    nl_addr_put(mac);
    nl_addr_put(address);
    rtnl_neigh_put(object);
    return result;
}

int outrider_nl_neighbor_dump(void *buffer, size_t capacity) {
    struct nlmsghdr *header = begin(buffer, capacity, RTM_GETNEIGH, NLM_F_DUMP);
    if (!header) return -ENOBUFS;
    mnl_nlmsg_put_extra_header(header, sizeof(struct ndmsg));
    return header->nlmsg_len;
}

int outrider_nl_neighbor_parse(const void *message, size_t length, struct outrider_neighbor *neighbor) {
    memset(neighbor, 0, sizeof *neighbor);
    const struct nlmsghdr *header = message_header(message, length);
    if (!header || (header->nlmsg_type != RTM_NEWNEIGH && header->nlmsg_type != RTM_DELNEIGH)) return -EBADMSG;
    struct rtnl_neigh *source = (struct rtnl_neigh *)outrider_nl_object(message);
    if (!source) return -EBADMSG;
    struct nl_addr *address = rtnl_neigh_get_dst(source);
    struct nl_addr *mac = rtnl_neigh_get_lladdr(source);
    int result = -EBADMSG;
    if (address && nl_addr_get_len(address) <= sizeof neighbor->address) {
        neighbor->index = rtnl_neigh_get_ifindex(source);
        neighbor->family = rtnl_neigh_get_family(source);
        int state = rtnl_neigh_get_state(source);
        neighbor->state = state < 0 ? 0 : state;
        memcpy(neighbor->address, nl_addr_get_binary_addr(address), nl_addr_get_len(address));
        if (mac && nl_addr_get_len(mac) == 6) {
            memcpy(neighbor->mac, nl_addr_get_binary_addr(mac), 6);
            neighbor->has_mac = 1;
        }
        result = 0;
    }
    rtnl_neigh_put(source);
    return result;
}
