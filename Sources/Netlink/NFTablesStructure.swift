import Dataplane
import NetworkTypes

/// The tables of the overlay's namespace as data.
///
/// Everything is positive: a chain names what may pass and its policy drops the rest, so a set that is still empty, a
/// port that is not yet known and a packet without tunnel metadata are closed. What a port may send, in order:
///
/// | packet from a port | verdict | rule |
/// |---|---|---|
/// | DHCP, DHCPv6 and router solicitations, where the host answers them (``answers``) | to the host | `ask ...` |
/// | neighbor solicitation for the gateway from the VM's address or its MAC's link-local one | to the gateway | `nd solicitation` |
/// | the same from `::` (DAD, RFC 4862): creates no entry | to the gateway | `nd duplicate` |
/// | any other neighbor discovery: advertisements, router discovery, redirects (RFC 4861) | drop | `drop nd` |
/// | other multicast and broadcast, IGMP and listener reports (RFC 3810) among it: the overlay carries none | drop | `drop multicast` |
/// | other IPv4 from 0.0.0.0 | drop | `drop unconfigured` |
/// | IPv4 with options (RFC 7126): nothing of the overlay needs them, source routes are dangerous | drop | `drop options` |
/// | IPv4 from the VM's own address | pass to the pair check | `port source4` |
/// | IPv6 from the VM's own /72, ICMPv6 errors among it | pass to the pair check | `port source6` |
/// | anything else: not the port's address | drop | `drop source` |
///
/// What may go from whom to whom is then checked for packets of ports and of the tunnel alike, before the kernel looks
/// for a route, so that what is forbidden is counted whether a route exists or not:
///
/// | packet | verdict | rule |
/// |---|---|---|
/// | of a pair that may talk | pass | `allowed pair4`, `allowed pair6` |
/// | ICMP error of another host, from the tunnel, by its own address (``IPAddress/overlayRouter4``) | pass | `router error4`, `router error6` |
/// | ICMPv6 echo between hosts, from the tunnel: whether a path works (RFC 4443 section 4) | to the host | `path echo` |
/// | to the gateway | to the host's own check, which lets solicitations in | `to gateway4`, `to gateway6`, `nd gateway` |
/// | anything else | drop | `drop pair` |
///
/// ARP from the VM's own address passes (`arp own`), any other, probes from 0.0.0.0 (RFC 5227) among it, does not
/// (`drop arp`). To the host itself nothing but those solicitations and what asks for an address (`drop input`, echo to the
/// gateway too).
///
/// Solicitations and ARP create neighbor entries, and neighbor tables are shared by all namespaces; so both are bound to
/// exact addresses, for all of which the data plane holds permanent entries. ARP has a table of its own and no
/// netdev chain per port: one rule and one hash set serve every port, nothing has to be rebuilt when a port is re-made,
/// and the hook (NF_ARP_IN) comes before the kernel looks at the sender.
enum NFTStructure {
    /// Raised with every change of what stands here: a running table of another version is replaced.
    static let version = "outrider/5"
    static let tableName = "outrider"
    static let underlayTableName = "outrider_underlay"

    // Where the fields of a key go: a name takes four registers.
    static let key: UInt32 = 8
    static let afterName: UInt32 = 12

    static let isIPv4: [NFTStep] = [.load(.networkFamily, into: key), .compare(key, .equal, [2])]
    static let isIPv6: [NFTStep] = [.load(.networkFamily, into: key), .compare(key, .equal, [10])]
    static let isICMPv6: [NFTStep] =
        isIPv6 + [
            .load(.transportProtocol, into: key), .compare(key, .equal, [58]),
        ]
    static let gateway6 = DataplaneConfiguration.gateway6.bytes
    /// Where a VM asks for the gateway's link-layer address (RFC 4291 section 2.7.1).
    private static let gatewayGroup = IPv6Address(high: 0xFF02_0000_0000_0000, low: 0x1_FF00_0001).bytes
    static func destination4(_ address: IPv4Address) -> [NFTStep] {
        isIPv4 + [.network(offset: 16, length: 4, into: key), .compare(key, .equal, address.bytes)]
    }
    static func destination6(_ bytes: [UInt8]) -> [NFTStep] {
        isIPv6 + [.network(offset: 24, length: 16, into: key), .compare(key, .equal, bytes)]
    }
    /// Type 135 with the hop limit that no router has lowered (RFC 4861 section 7.1.1).
    private static let isSolicitation: [NFTStep] =
        isICMPv6 + [
            .transport(offset: 0, length: 1, into: key), .compare(key, .equal, [135]),
            .network(offset: 7, length: 1, into: key), .compare(key, .equal, [255]),
        ]
    /// The /72 of one identifier.
    private static let identifierMask = [UInt8](repeating: 0xFF, count: 9) + [UInt8](repeating: 0, count: 7)

    static func name(_ device: String) -> [UInt8] {
        let bytes = Array(device.utf8.prefix(15))
        return bytes + [UInt8](repeating: 0, count: 16 - bytes.count)
    }

    /// Tables of the overlay's namespace; `device` is the VXLAN device.
    /// - Parameter answers: what asks for an address reaches the host's own sockets.
    static func overlay(device: String, plan: OverlayPlan, answers: Bool) -> [NFTTable] {
        [checks(device: device, plan: plan, answers: answers), arp, ingress(device: device)]
    }

    private static func checks(device: String, plan: OverlayPlan, answers: Bool) -> NFTTable {
        NFTTable(
            family: .inet, name: tableName,
            sets: [
                NFTSet(name: "source4", fields: [.interfaceName, .ipv4]),
                NFTSet(name: "source6", fields: [.interfaceName, .ipv6]),
                NFTSet(name: "solicitor6", fields: [.interfaceName, .ipv6]),
                NFTSet(name: "pair4", fields: [.ipv4, .ipv4], interval: true),
                NFTSet(name: "pair6", fields: [.ipv6, .ipv6], interval: true),
            ] + (answers ? [askingSet] : []),
            chains: [
                NFTChain(
                    name: "sources", hook: 0, priority: -300, policyDrops: true,
                    rules: portRules(device: device, answers: answers)),
                NFTChain(
                    name: "pairs", hook: 0, priority: -290, policyDrops: true,
                    rules: pairRules(device: device, plan: plan, asking: answers ? askingPairs : [])),
                NFTChain(
                    name: "input", hook: 1, priority: 0, policyDrops: true,
                    rules: [
                        NFTRule(name: "gateway solicitation", steps: isSolicitation + [.accept]),
                        NFTRule(
                            name: "host echo",
                            steps: isPathEcho(fromTunnel(device), plan.routerPrefix6.bytes) + [.accept]),
                    ] + (answers ? askingInput(device: device) : []) + [
                        NFTRule(name: "drop input", steps: [.count, .drop])
                    ]),
            ] + (answers ? [askingOutput] : []))
    }

    private static func fromTunnel(_ device: String) -> [NFTStep] {
        [.load(.inputName, into: key), .compare(key, .equal, name(device))]
    }

    /// Request and reply (types 128 and 129) between addresses of hosts.
    private static func isPathEcho(_ fromTunnel: [NFTStep], _ routers6: [UInt8]) -> [NFTStep] {
        fromTunnel + isICMPv6 + [
            .transport(offset: 0, length: 1, into: key), .compare(key, .atLeast, [128]),
            .compare(key, .atMost, [129]),
            .network(offset: 8, length: 16, into: key), .mask(key, identifierMask), .compare(key, .equal, routers6),
            .network(offset: 24, length: 16, into: key), .mask(key, identifierMask), .compare(key, .equal, routers6),
        ]
    }

    private static func pairRules(device: String, plan: OverlayPlan, asking: [NFTRule]) -> [NFTRule] {
        let fromTunnel = fromTunnel(device)
        // Of ICMP: destination unreachable, time exceeded, parameter problem (RFC 792); of ICMPv6: all errors but the
        // reserved ones (RFC 4443 section 2.1).
        let routers6 = plan.routerPrefix6.bytes
        return [
            NFTRule(
                name: "allowed pair4",
                steps: isIPv4 + [
                    .network(offset: 12, length: 4, into: key), .network(offset: 16, length: 4, into: key + 1),
                    .member(key, of: "pair4"), .accept,
                ]),
            NFTRule(
                name: "allowed pair6",
                steps: isIPv6 + [
                    .network(offset: 8, length: 16, into: key), .network(offset: 24, length: 16, into: key + 4),
                    .member(key, of: "pair6"), .accept,
                ]),
            NFTRule(name: "nd gateway", steps: isSolicitation + destination6(gatewayGroup) + [.accept]),
            NFTRule(name: "to gateway6", steps: destination6(gateway6) + [.accept]),
            NFTRule(name: "to gateway4", steps: destination4(DataplaneConfiguration.gateway4) + [.accept]),
        ] + asking
            + [UInt8(3), 11, 12].map { type in
                NFTRule(
                    name: "router error4 \(type)",
                    steps: fromTunnel + isIPv4 + [
                        .load(.transportProtocol, into: key), .compare(key, .equal, [1]),
                        .transport(offset: 0, length: 1, into: key), .compare(key, .equal, [type]),
                        .network(offset: 12, length: 2, into: key),
                        .compare(key, .equal, Array(OverlayPlan.routerPrefix4.bytes.prefix(2))),
                        .accept,
                    ])
            } + [
                NFTRule(
                    name: "router error6",
                    steps: fromTunnel + isICMPv6 + [
                        .transport(offset: 0, length: 1, into: key), .compare(key, .atLeast, [1]),
                        .compare(key, .atMost, [4]), .network(offset: 8, length: 16, into: key),
                        .mask(key, identifierMask), .compare(key, .equal, routers6), .accept,
                    ]),
                NFTRule(name: "path echo", steps: isPathEcho(fromTunnel, routers6) + [.accept]),
                NFTRule(name: "drop pair", steps: [.count, .drop]),
            ]
    }

    private static func portRules(device: String, answers: Bool) -> [NFTRule] {
        let port: NFTStep = .load(.inputName, into: key)
        return [
            // What came through the tunnel was checked by the chain on the device.
            NFTRule(name: "tunnel", steps: [port, .compare(key, .equal, name(device)), .accept]),
            NFTRule(name: "loopback", steps: [port, .compare(key, .equal, name("lo")), .accept]),
        ] + (answers ? askingSources(port) : []) + discoveryRules(port) + [
            NFTRule(
                name: "drop multicast ipv6",
                steps: isIPv6 + [
                    .network(offset: 24, length: 1, into: key), .compare(key, .equal, [0xFF]), .count, .drop,
                ]),
            NFTRule(
                name: "drop unconfigured",
                steps: isIPv4 + [
                    .network(offset: 12, length: 4, into: key), .compare(key, .equal, [0, 0, 0, 0]), .count, .drop,
                ]),
            NFTRule(
                // Groups, reserved addresses and the limited broadcast (RFC 1112, RFC 919).
                name: "drop multicast ipv4",
                steps: isIPv4 + [
                    .network(offset: 16, length: 1, into: key), .compare(key, .atLeast, [224]), .count, .drop,
                ]),
            NFTRule(
                name: "drop options",
                steps: isIPv4 + [
                    .network(offset: 0, length: 1, into: key), .compare(key, .atLeast, [0x46]), .count, .drop,
                ]),
            NFTRule(
                name: "port source4",
                steps: isIPv4 + [
                    port, .network(offset: 12, length: 4, into: afterName), .member(key, of: "source4"), .accept,
                ]),
            NFTRule(
                name: "port source6",
                steps: isIPv6 + [
                    // Masked instead of an interval set: a hash set costs the same at any size.
                    port, .network(offset: 8, length: 16, into: afterName), .mask(afterName, identifierMask),
                    .member(key, of: "source6"), .accept,
                ]),
            NFTRule(name: "drop source", steps: [.count, .drop]),
        ]
    }

    /// Solicitations are let in for the gateway's addresses only: one for another VM would be forwarded.
    private static func discoveryRules(_ port: NFTStep) -> [NFTRule] {
        let own: [NFTStep] = [
            port, .network(offset: 8, length: 16, into: afterName), .member(key, of: "solicitor6"), .accept,
        ]
        return [
            NFTRule(name: "nd solicitation", steps: isSolicitation + destination6(gatewayGroup) + own),
            NFTRule(name: "nd probe", steps: isSolicitation + destination6(gateway6) + own),
            NFTRule(
                name: "nd duplicate",
                steps: isSolicitation + destination6(gatewayGroup) + [
                    .network(offset: 8, length: 16, into: key), .compare(key, .equal, [UInt8](repeating: 0, count: 16)),
                    .accept,
                ]),
            NFTRule(
                name: "drop nd",
                steps: isICMPv6 + [
                    .transport(offset: 0, length: 1, into: key), .compare(key, .atLeast, [133]),
                    .compare(key, .atMost, [137]), .count, .drop,
                ]),
        ]
    }

    private static let arp = NFTTable(
        family: .arp, name: tableName,
        sets: [NFTSet(name: "arp_sender", fields: [.interfaceName, .ipv4])],
        chains: [
            NFTChain(
                name: "input", hook: 0, priority: 0, policyDrops: true,
                rules: [
                    NFTRule(
                        name: "arp own",
                        steps: [
                            .load(.inputName, into: key),
                            // Sender protocol address of an Ethernet/IPv4 ARP packet (RFC 826).
                            .network(offset: 14, length: 4, into: afterName), .member(key, of: "arp_sender"), .accept,
                        ]),
                    NFTRule(name: "drop arp", steps: [.count, .drop]),
                ])
        ])

    /// What is let in counts as sent to this machine: whose endpoint changes is sent to by the link-layer address of the
    /// new one before its device has it, and changing a device's address makes the kernel forget its neighbors.
    private static func ingress(device: String) -> NFTTable {
        func bound(_ name: String, etherType: [UInt8], offset: UInt32, length: UInt32) -> NFTRule {
            NFTRule(
                name: "bound \(name)",
                steps: [
                    .load(.linkProtocol, into: key), .compare(key, .equal, etherType), .tunnelID(into: key),
                    .network(offset: offset, length: length, into: key + 1), .member(key, of: name), .takeAsOwn,
                    .accept,
                ])
        }
        return NFTTable(
            family: .netdev, name: tableName,
            sets: [
                NFTSet(name: "ingress4", fields: [.mark, .ipv4]), NFTSet(name: "ingress6", fields: [.mark, .ipv6]),
            ],
            chains: [
                NFTChain(
                    name: "ingress", hook: 0, priority: 0, device: device, policyDrops: true,
                    rules: [
                        bound("ingress4", etherType: [0x08, 0x00], offset: 16, length: 4),
                        bound("ingress6", etherType: [0x86, 0xDD], offset: 24, length: 16),
                        NFTRule(name: "drop ingress", steps: [.count, .drop]),
                    ])
            ])
    }
}
