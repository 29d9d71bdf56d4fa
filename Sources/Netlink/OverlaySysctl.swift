/// A sysctl of the overlay's namespace and why it has its value.
///
/// All are set explicitly: a new namespace takes its IPv4 defaults from the initial one and its IPv6 defaults from the
/// kernel, so what is not said here would differ from host to host. Limits of the neighbor tables (`gc_thresh*`) exist
/// once for all namespaces and are not touched; ports cannot create neighbor entries.
public struct OverlaySysctl: Hashable, Sendable {
    /// Path below `/proc/sys/`.
    public var key: String
    public var value: String
    public var reason: String
    /// Older kernels, or builds without the feature, lack it.
    public var mayBeAbsent: Bool

    private init(_ key: String, _ value: String, _ reason: String, mayBeAbsent: Bool = false) {
        self.key = key
        self.value = value
        self.reason = reason
        self.mayBeAbsent = mayBeAbsent
    }

    /// In the order in which they are set: `all` and `default` before any device is there.
    public static let all: [OverlaySysctl] = general + ipv4 + ipv6

    private static let general: [OverlaySysctl] = [
        .init("net/ipv4/ip_forward", "1", "packets between ports and tunnel are forwarded"),
        .init(
            "net/ipv4/ip_forward_use_pmtu", "1",
            "a VM hears of a narrow underlay path; nobody can forge it, as no ICMP reaches the host"),
        .init("net/ipv4/ping_group_range", "0\t0", "the agent sends echoes to its peers; nobody else is in here"),
        .init("net/ipv4/nexthop_compat_mode", "0", "dumps and events need not repeat the nexthop behind an id"),
        .init(
            "net/ipv6/route/max_size", "2147483647", "Linux before 6.3 stops at 4096 IPv6 destinations",
            mayBeAbsent: true),
    ]

    private static let ipv4: [OverlaySysctl] = ["all", "default"].flatMap { scope -> [OverlaySysctl] in
        let base = "net/ipv4/conf/\(scope)"
        return [
            .init("\(base)/forwarding", "1", "as ip_forward, for each device"),
            .init("\(base)/rp_filter", "1", "a source must be reachable through the port that it came from"),
            .init("\(base)/send_redirects", "0", "two VMs of one port's network never talk directly"),
            .init("\(base)/accept_redirects", "0", "routes come from the agent alone"),
            .init("\(base)/secure_redirects", "0", "routes come from the agent alone"),
            .init("\(base)/shared_media", "0", "as send_redirects"),
            .init("\(base)/accept_source_route", "0", "a VM does not choose paths"),
            .init("\(base)/route_localnet", "0", "127/8 stays in the namespace"),
            .init("\(base)/proxy_arp", "0", "the gateway's address is on lo, nothing else is answered for"),
            .init("\(base)/arp_ignore", "0", "the gateway's address on lo must be answered for on every port"),
            .init("\(base)/arp_announce", "2", "requests name an address that the VM can reach"),
            .init("\(base)/arp_filter", "0", "ports may answer whatever the routes say"),
            .init("\(base)/arp_accept", "0", "gratuitous ARP creates no entries"),
            .init("\(base)/arp_notify", "0", "no announcements to VMs"),
            .init("\(base)/bc_forwarding", "0", "no directed broadcasts"),
        ]
    }

    private static let ipv6: [OverlaySysctl] =
        ["all", "default"].flatMap { scope -> [OverlaySysctl] in
            let base = "net/ipv6/conf/\(scope)"
            return [
                .init("\(base)/disable_ipv6", "0", "both families are served"),
                .init("\(base)/forwarding", "1", "packets between ports and tunnel are forwarded"),
                .init("\(base)/accept_ra", "0", "a VM is not our router"),
                .init("\(base)/autoconf", "0", "addresses come from the agent alone"),
                .init("\(base)/accept_redirects", "0", "routes come from the agent alone"),
                .init("\(base)/accept_source_route", "0", "a VM does not choose paths"),
                .init("\(base)/accept_dad", "0", "our addresses are unique by construction and must work at once"),
                .init("\(base)/dad_transmits", "0", "as accept_dad"),
                .init("\(base)/proxy_ndp", "0", "nothing but the gateway is answered for"),
                .init("\(base)/drop_unsolicited_na", "1", "unsolicited advertisements change no entries"),
                .init("\(base)/keep_addr_on_down", "0", "a port that is down carries nothing"),
            ]
        } + [
            // Value 1 is "none" (IN6_ADDR_GEN_MODE_NONE).
            .init("net/ipv6/conf/default/addr_gen_mode", "1", "no link-local addresses but the gateway's")
        ]
}
