#define _GNU_SOURCE
#include "nl_builder.h"

#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/veth.h>
#include <netlink/addr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/route/link.h>
#include <netlink/route/link/vxlan.h>

#define FILTER_SKIP_STATS 8  // RTEXT_FILTER_SKIP_STATS

static struct ifinfomsg *put_ifinfo(struct nlmsghdr *header, int32_t index) {
    struct ifinfomsg *info = mnl_nlmsg_put_extra_header(header, sizeof *info);
    info->ifi_family = AF_UNSPEC;
    info->ifi_index = index;
    return info;
}

static int fits(const char *name) { return name && name[0] && strlen(name) < OUTRIDER_NAME_MAX; }

int outrider_nl_vxlan_create(void *buffer, size_t capacity, const struct outrider_vxlan *vxlan) {
    if (!fits(vxlan->name)) return -EINVAL;
    struct nlmsghdr *header = begin(buffer, capacity, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
    if (!header) return -ENOBUFS;
    put_ifinfo(header, 0);
    mnl_attr_put_strz(header, IFLA_IFNAME, vxlan->name);
    mnl_attr_put(header, IFLA_ADDRESS, sizeof vxlan->mac, vxlan->mac);
    mnl_attr_put_u32(header, IFLA_MTU, vxlan->mtu);
    if (vxlan->ns_fd >= 0) mnl_attr_put_u32(header, IFLA_NET_NS_FD, vxlan->ns_fd);
    struct nlattr *info = mnl_attr_nest_start(header, IFLA_LINKINFO);
    mnl_attr_put_strz(header, IFLA_INFO_KIND, "vxlan");
    struct nlattr *data = mnl_attr_nest_start(header, IFLA_INFO_DATA);
    mnl_attr_put_u8(header, IFLA_VXLAN_COLLECT_METADATA, 1);
    mnl_attr_put_u8(header, IFLA_VXLAN_VNIFILTER, 1);
    mnl_attr_put_u8(header, IFLA_VXLAN_LEARNING, 0);
    mnl_attr_put(
        header, vxlan->local_family == AF_INET6 ? IFLA_VXLAN_LOCAL6 : IFLA_VXLAN_LOCAL,
        address_size(vxlan->local_family), vxlan->local);
    mnl_attr_put_u16(header, IFLA_VXLAN_PORT, htons(vxlan->port));
    mnl_attr_put_u8(header, IFLA_VXLAN_TTL, vxlan->ttl);
    mnl_attr_nest_end(header, data);
    mnl_attr_nest_end(header, info);
    return header->nlmsg_len;
}

int outrider_nl_vxlan_relocate(
    void *buffer, size_t capacity, int32_t index, uint8_t local_family, const uint8_t *local) {
    struct nlmsghdr *header = begin(buffer, capacity, RTM_NEWLINK, 0);
    if (!header) return -ENOBUFS;
    put_ifinfo(header, index);
    struct nlattr *info = mnl_attr_nest_start(header, IFLA_LINKINFO);
    mnl_attr_put_strz(header, IFLA_INFO_KIND, "vxlan");
    struct nlattr *data = mnl_attr_nest_start(header, IFLA_INFO_DATA);
    mnl_attr_put(
        header, local_family == AF_INET6 ? IFLA_VXLAN_LOCAL6 : IFLA_VXLAN_LOCAL, address_size(local_family), local);
    mnl_attr_nest_end(header, data);
    mnl_attr_nest_end(header, info);
    return header->nlmsg_len;
}

int outrider_nl_veth_create(void *buffer, size_t capacity, const struct outrider_veth *veth) {
    if (!fits(veth->name) || !fits(veth->peer_name)) return -EINVAL;
    struct nlmsghdr *header = begin(buffer, capacity, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
    if (!header) return -ENOBUFS;
    put_ifinfo(header, 0);
    mnl_attr_put_strz(header, IFLA_IFNAME, veth->name);
    mnl_attr_put(header, IFLA_ADDRESS, sizeof veth->mac, veth->mac);
    mnl_attr_put_u32(header, IFLA_MTU, veth->mtu);
    struct nlattr *info = mnl_attr_nest_start(header, IFLA_LINKINFO);
    mnl_attr_put_strz(header, IFLA_INFO_KIND, "veth");
    struct nlattr *data = mnl_attr_nest_start(header, IFLA_INFO_DATA);
    struct nlattr *peer = mnl_attr_nest_start(header, VETH_INFO_PEER);
    put_ifinfo(header, 0);
    mnl_attr_put_strz(header, IFLA_IFNAME, veth->peer_name);
    mnl_attr_put(header, IFLA_ADDRESS, sizeof veth->peer_mac, veth->peer_mac);
    mnl_attr_put_u32(header, IFLA_MTU, veth->mtu);
    if (veth->peer_ns_fd >= 0) mnl_attr_put_u32(header, IFLA_NET_NS_FD, veth->peer_ns_fd);
    mnl_attr_nest_end(header, peer);
    mnl_attr_nest_end(header, data);
    mnl_attr_nest_end(header, info);
    return header->nlmsg_len;
}

int outrider_nl_link_change(
    void *buffer, size_t capacity, int32_t index, const char *current_name, const struct outrider_link_change *change) {
    if ((change->name && !fits(change->name)) || (index == 0 && !fits(current_name)) ||
        // Without an index IFLA_IFNAME is the key and cannot also be the new name.
        (index == 0 && change->name) || (change->alias && strlen(change->alias) >= OUTRIDER_ALIAS_MAX))
        return -EINVAL;
    struct nlmsghdr *header = begin(buffer, capacity, RTM_NEWLINK, 0);
    if (!header) return -ENOBUFS;
    struct ifinfomsg *info = put_ifinfo(header, index);
    if (change->up >= 0) {
        info->ifi_change = IFF_UP;
        info->ifi_flags = change->up ? IFF_UP : 0;
    }
    const char *name = index == 0 ? current_name : change->name;
    if (name) mnl_attr_put_strz(header, IFLA_IFNAME, name);
    if (change->ns_fd >= 0) mnl_attr_put_u32(header, IFLA_NET_NS_FD, change->ns_fd);
    if (change->mac) mnl_attr_put(header, IFLA_ADDRESS, 6, change->mac);
    if (change->mtu) mnl_attr_put_u32(header, IFLA_MTU, change->mtu);
    if (change->alias) mnl_attr_put_str(header, IFLA_IFALIAS, change->alias);
    return header->nlmsg_len;
}

int outrider_nl_link_delete(void *buffer, size_t capacity, int32_t index, const char *name) {
    if (index == 0 && !fits(name)) return -EINVAL;
    struct nlmsghdr *header = begin(buffer, capacity, RTM_DELLINK, 0);
    if (!header) return -ENOBUFS;
    put_ifinfo(header, index);
    if (index == 0) mnl_attr_put_strz(header, IFLA_IFNAME, name);
    return header->nlmsg_len;
}

int outrider_nl_link_get(void *buffer, size_t capacity, const char *name) {
    if (name && !fits(name)) return -EINVAL;
    struct nlmsghdr *header = begin(buffer, capacity, RTM_GETLINK, name ? 0 : NLM_F_DUMP);
    if (!header) return -ENOBUFS;
    put_ifinfo(header, 0);
    if (name) mnl_attr_put_strz(header, IFLA_IFNAME, name);
    mnl_attr_put_u32(header, IFLA_EXT_MASK, FILTER_SKIP_STATS);
    return header->nlmsg_len;
}

// MARK: Parsing with libnl objects

static void keep_object(struct nl_object *object, void *result) {
    nl_object_get(object);
    *(struct nl_object **)result = object;
}

/// The message as a libnl object, owned by the caller; NULL when libnl cannot read it.
struct nl_object *outrider_nl_object(const void *message) {
    struct nl_msg *copy = nlmsg_convert((struct nlmsghdr *)message);
    if (!copy) return NULL;
    nlmsg_set_proto(copy, NETLINK_ROUTE);
    struct nl_object *object = NULL;
    if (nl_msg_parse(copy, keep_object, &object) < 0) object = NULL;
    nlmsg_free(copy);
    return object;
}

static void copy_text(char *target, size_t size, const char *text) {
    if (text) strncpy(target, text, size - 1);
}

static void parse_vxlan(const struct nlmsghdr *header, struct rtnl_link *source, struct outrider_link *link) {
    struct nl_addr *local = NULL;
    if (rtnl_link_vxlan_get_local(source, &local) == 0 && local) {
        size_t size = nl_addr_get_len(local);
        if (size == 4 || size == 16) {
            link->vxlan_local_family = size == 4 ? AF_INET : AF_INET6;
            memcpy(link->vxlan_local, nl_addr_get_binary_addr(local), size);
        }
        nl_addr_put(local);
    }
    rtnl_link_vxlan_get_port(source, &link->vxlan_port);
    link->vxlan_external = rtnl_link_vxlan_get_collect_metadata(source) == 1;
    const struct nlattr *outer[IFLA_LINKINFO + 1], *info[IFLA_INFO_DATA + 1], *data[IFLA_VXLAN_VNIFILTER + 1];
    if (sort_attributes(header, sizeof(struct ifinfomsg), outer, IFLA_LINKINFO + 1) < 0 || !outer[IFLA_LINKINFO]) return;
    sort_nested(outer[IFLA_LINKINFO], info, IFLA_INFO_DATA + 1);
    if (!info[IFLA_INFO_DATA]) return;
    sort_nested(info[IFLA_INFO_DATA], data, IFLA_VXLAN_VNIFILTER + 1);
    link->vxlan_vnifilter = data[IFLA_VXLAN_VNIFILTER] && get_u8(data[IFLA_VXLAN_VNIFILTER]);
}

int outrider_nl_link_parse(const void *message, size_t length, struct outrider_link *link) {
    memset(link, 0, sizeof *link);
    const struct nlmsghdr *header = message_header(message, length);
    if (!header || (header->nlmsg_type != RTM_NEWLINK && header->nlmsg_type != RTM_DELLINK)) return -EBADMSG;
    struct rtnl_link *source = (struct rtnl_link *)outrider_nl_object(message);
    if (!source) return -EBADMSG;
    link->index = rtnl_link_get_ifindex(source);
    link->flags = rtnl_link_get_flags(source);
    link->mtu = rtnl_link_get_mtu(source);
    link->operstate = rtnl_link_get_operstate(source);
    struct nl_addr *mac = rtnl_link_get_addr(source);
    if (mac && nl_addr_get_len(mac) == 6) memcpy(link->mac, nl_addr_get_binary_addr(mac), 6);
    copy_text(link->name, sizeof link->name, rtnl_link_get_name(source));
    copy_text(link->kind, sizeof link->kind, rtnl_link_get_type(source));
    copy_text(link->alias, sizeof link->alias, rtnl_link_get_ifalias(source));
    if (strcmp(link->kind, "vxlan") == 0) parse_vxlan(header, source, link);
    rtnl_link_put(source);
    return 0;
}

// MARK: Counters

int outrider_nl_stats_get(void *buffer, size_t capacity, int32_t index) {
    struct nlmsghdr *header = begin(buffer, capacity, RTM_GETSTATS, index ? 0 : NLM_F_DUMP);
    if (!header) return -ENOBUFS;
    struct if_stats_msg *request = mnl_nlmsg_put_extra_header(header, sizeof *request);
    request->ifindex = index;
    request->filter_mask = IFLA_STATS_FILTER_BIT(IFLA_STATS_LINK_64);
    return header->nlmsg_len;
}

int outrider_nl_stats_parse(const void *message, size_t length, struct outrider_link_counters *counters) {
    memset(counters, 0, sizeof *counters);
    const struct nlmsghdr *header = message_header(message, length);
    const struct nlattr *table[IFLA_STATS_LINK_64 + 1];
    if (!header || header->nlmsg_type != RTM_NEWSTATS ||
        sort_attributes(header, sizeof(struct if_stats_msg), table, IFLA_STATS_LINK_64 + 1) < 0)
        return -EBADMSG;
    const struct if_stats_msg *head = mnl_nlmsg_get_payload(header);
    const struct nlattr *attribute = table[IFLA_STATS_LINK_64];
    if (!attribute) return -ENODATA;
    struct rtnl_link_stats64 raw;
    memset(&raw, 0, sizeof raw);
    // The struct grows at its end with newer kernels.
    size_t size = mnl_attr_get_payload_len(attribute);
    memcpy(&raw, mnl_attr_get_payload(attribute), size < sizeof raw ? size : sizeof raw);
    counters->index = head->ifindex;
    counters->rx_packets = raw.rx_packets;
    counters->tx_packets = raw.tx_packets;
    counters->rx_bytes = raw.rx_bytes;
    counters->tx_bytes = raw.tx_bytes;
    counters->rx_errors = raw.rx_errors;
    counters->tx_errors = raw.tx_errors;
    counters->rx_dropped = raw.rx_dropped;
    counters->tx_dropped = raw.tx_dropped;
    return 0;
}
