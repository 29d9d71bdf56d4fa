#pragma once
#include <stddef.h>
#include <stdint.h>

/// Smallest buffer that every builder accepts, in bytes.
#define OUTRIDER_NL_MESSAGE_MAX 1024
/// IFNAMSIZ and IFALIASZ.
#define OUTRIDER_NAME_MAX 16
#define OUTRIDER_ALIAS_MAX 256

// MARK: Devices

/// A VXLAN device, by libmnl: libnl-route 3.7 lacks `vnifilter`.
struct outrider_vxlan {
    const char *name;
    uint8_t mac[6];
    /// AF_INET or AF_INET6: outer source, 4 or 16 bytes, network order.
    uint8_t local_family;
    uint8_t local[16];
    uint16_t port;
    uint8_t ttl;
    uint32_t mtu;
    /// Namespace in which the device is born; its UDP socket belongs to the namespace of the netlink socket.
    int32_t ns_fd;
};
/// RTM_NEWLINK: external, vnifilter, nolearning.
int outrider_nl_vxlan_create(void *buffer, size_t capacity, const struct outrider_vxlan *vxlan);
/// RTM_NEWLINK on a running VXLAN device: another outer source of the same family.
int outrider_nl_vxlan_relocate(
    void *buffer, size_t capacity, int32_t index, uint8_t local_family, const uint8_t *local);

struct outrider_veth {
    const char *name;
    uint8_t mac[6];
    uint32_t mtu;
    const char *peer_name;
    uint8_t peer_mac[6];
    /// Namespace in which the peer is born; negative: the same.
    int32_t peer_ns_fd;
};
/// RTM_NEWLINK: both ends in one message, by libmnl (libnl-route makes the peer's attributes from a second object that
/// needs an index).
int outrider_nl_veth_create(void *buffer, size_t capacity, const struct outrider_veth *veth);

/// What to change; NULL, 0 and negative members stay as they are.
struct outrider_link_change {
    const char *name;
    const char *alias;
    const uint8_t *mac;
    uint32_t mtu;
    /// 1 up, 0 down, negative unchanged.
    int32_t up;
    /// Namespace to move to, negative unchanged; with `name` the device arrives under the new name.
    int32_t ns_fd;
};
/// RTM_NEWLINK on an existing device, by `index` or, when that is 0, by `current_name`. By libmnl: libnl-route sends
/// flags without a change mask, which clears the others.
int outrider_nl_link_change(
    void *buffer, size_t capacity, int32_t index, const char *current_name, const struct outrider_link_change *change);

/// RTM_DELLINK by `index` or, when that is 0, by name.
int outrider_nl_link_delete(void *buffer, size_t capacity, int32_t index, const char *name);

/// RTM_GETLINK: one device by name, or all of them when `name` is NULL (a dump); without counters.
int outrider_nl_link_get(void *buffer, size_t capacity, const char *name);

struct outrider_link {
    int32_t index;
    uint32_t flags, mtu;
    uint8_t mac[6];
    uint8_t operstate;
    char name[OUTRIDER_NAME_MAX];
    /// Kind (`veth`, `vxlan`, `tun`), empty for plain devices.
    char kind[OUTRIDER_NAME_MAX];
    char alias[OUTRIDER_ALIAS_MAX];
    /// Only for kind `vxlan`.
    uint32_t vxlan_port;
    /// AF_INET or AF_INET6, 0 when the device has none.
    uint8_t vxlan_local_family;
    uint8_t vxlan_local[16];
    uint8_t vxlan_external, vxlan_vnifilter;
};
/// Reads RTM_NEWLINK or RTM_DELLINK with libnl-route, `vnifilter` with libmnl.
int outrider_nl_link_parse(const void *message, size_t length, struct outrider_link *link);

// MARK: Addresses and neighbors (libnl-route objects)

struct outrider_address {
    int32_t index;
    /// AF_INET or AF_INET6; the address fills 4 or 16 bytes, network order.
    uint8_t family, prefix_length, protocol, scope;
    uint8_t address[16];
};
/// RTM_NEWADDR (create or replace; IPv6 without duplicate address detection) or RTM_DELADDR; IFA_PROTO is added by hand,
/// libnl 3.7 does not know it.
int outrider_nl_address_change(void *buffer, size_t capacity, int add, const struct outrider_address *address);
int outrider_nl_address_dump(void *buffer, size_t capacity);
int outrider_nl_address_parse(const void *message, size_t length, struct outrider_address *address);

struct outrider_neighbor {
    int32_t index;
    uint8_t family;
    uint8_t address[16];
    uint8_t mac[6];
    uint8_t has_mac;
    /// NUD_* bits.
    uint16_t state;
};
/// RTM_NEWNEIGH (create or replace, permanent) or RTM_DELNEIGH.
int outrider_nl_neighbor_change(void *buffer, size_t capacity, int add, const struct outrider_neighbor *neighbor);
int outrider_nl_neighbor_dump(void *buffer, size_t capacity);
int outrider_nl_neighbor_parse(const void *message, size_t length, struct outrider_neighbor *neighbor);

// MARK: Counters

/// struct rtnl_link_stats64, as far as it is used.
struct outrider_link_counters {
    int32_t index;
    uint64_t rx_packets, tx_packets, rx_bytes, tx_bytes, rx_errors, tx_errors, rx_dropped, tx_dropped;
};
/// RTM_GETSTATS with IFLA_STATS_LINK_64, by libmnl: one device, or all when `index` is 0 (a dump).
int outrider_nl_stats_get(void *buffer, size_t capacity, int32_t index);
int outrider_nl_stats_parse(const void *message, size_t length, struct outrider_link_counters *counters);
/// Of an answer to outrider_nl_stats_get: frames that the device took in and nobody wanted (rx_dropped, rx_nohandler,
/// rx_otherhost_dropped): no protocol for their EtherType, a VLAN tag, or another destination address.
int outrider_nl_drops_parse(const void *message, size_t length, int32_t *index, uint64_t *packets);
