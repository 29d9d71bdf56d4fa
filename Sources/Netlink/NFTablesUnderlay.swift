/// The one table of the host's own namespace, as data: who may reach our UDP port, and with which tunnel ids.
///
/// | packet to the UDP port | verdict | rule |
/// |---|---|---|
/// | from a known tunnel endpoint, with the tunnel id of a block of this host | pass | `known endpoint4`, `known endpoint6` |
/// | from a known tunnel endpoint, with another id: the device would drop it without a trace | drop | `drop vni` |
/// | from anybody else | drop | `drop underlay` |
/// | to the UDP port of a known tunnel endpoint, from this host | pass | `to endpoint4`, `to endpoint6` |
///
/// Before connection tracking, which gets to see none of it: where the host tracks connections, every pair of hosts and
/// every source port of the tunnel would be an entry of a table that the host needs for its own. Both families, whichever
/// the endpoints have: the socket of an external VXLAN device listens on both. A fragment has its ports in the first part;
/// without that the rest is never put together, and a first part too short for the VXLAN header is dropped.
extension NFTStructure {
    static func underlay(vxlanPort: UInt16) -> NFTTable {
        let port: [UInt8] = [UInt8(vxlanPort >> 8), UInt8(vxlanPort & 0xFF)]
        let isTunnel: [NFTStep] = [
            .load(.transportProtocol, into: key), .compare(key, .equal, [17]),
            .transport(offset: 2, length: 2, into: key), .compare(key, .equal, port),
        ]
        let isKnown4: [NFTStep] =
            isTunnel + isIPv4 + [.network(offset: 12, length: 4, into: key), .member(key, of: "vtep")]
        let isKnown6: [NFTStep] =
            isTunnel + isIPv6 + [.network(offset: 8, length: 16, into: key), .member(key, of: "vtep6")]
        // Behind the UDP header, the second word of the VXLAN header: the id and a reserved byte (RFC 7348 section 5).
        let hasOurID: [NFTStep] = [
            .transport(offset: 12, length: 4, into: key), .mask(key, [0xFF, 0xFF, 0xFF, 0]),
            .member(key, of: "tunnel_id"),
        ]
        return NFTTable(
            family: .inet, name: underlayTableName,
            sets: [
                NFTSet(name: "vtep", fields: [.ipv4]), NFTSet(name: "vtep6", fields: [.ipv6]),
                NFTSet(name: "tunnel_id", fields: [.mark]),
            ],
            chains: [
                NFTChain(
                    name: "prerouting", hook: 0, priority: -300, policyDrops: false,
                    rules: [
                        NFTRule(name: "known endpoint4", steps: isKnown4 + hasOurID + [.untrack, .accept]),
                        NFTRule(name: "known endpoint6", steps: isKnown6 + hasOurID + [.untrack, .accept]),
                        NFTRule(name: "drop vni ipv4", steps: isKnown4 + [.count, .drop]),
                        NFTRule(name: "drop vni ipv6", steps: isKnown6 + [.count, .drop]),
                        NFTRule(name: "drop underlay", steps: isTunnel + [.count, .drop]),
                    ]),
                NFTChain(
                    name: "output", hook: 3, priority: -300, policyDrops: false,
                    rules: [
                        NFTRule(
                            name: "to endpoint4",
                            steps: isTunnel + isIPv4 + [
                                .network(offset: 16, length: 4, into: key), .member(key, of: "vtep"), .untrack, .accept,
                            ]),
                        NFTRule(
                            name: "to endpoint6",
                            steps: isTunnel + isIPv6 + [
                                .network(offset: 24, length: 16, into: key), .member(key, of: "vtep6"), .untrack,
                                .accept,
                            ]),
                    ]),
            ])
    }
}
