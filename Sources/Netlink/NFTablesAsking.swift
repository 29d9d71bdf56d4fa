import Dataplane
import NetworkTypes

/// What lets a VM ask its host for an address: DHCP (RFC 2131), DHCPv6 (RFC 8415) and router solicitations (RFC 4861)
/// reach the host's own sockets, and nothing else that looks like them does.
///
/// | packet from a port | from | to | rule |
/// |---|---|---|---|
/// | DHCP, without IP options | 0.0.0.0, or the VM's address | 255.255.255.255 | `ask dhcp new`, `ask dhcp own` |
/// | DHCP | the VM's address | the gateway | `port source4`, as any other |
/// | DHCPv6 | any link-local address | ff02::1:2 | `ask dhcp6` |
/// | router solicitation | any link-local address, or `::` | ff02::2 | `ask router own`, `ask router new` |
///
/// DHCPv6 is sent on to the gateway's address: the group would have to be joined on every port, and a socket's memory
/// allows for some hundreds.
///
/// Which link-local address a VM has is its own business (RFC 7217): the port says who asks. So none of them may become a
/// neighbor entry of the host's, whose table all namespaces share. The kernel learns a neighbor from a solicitation unless
/// it comes from `::` (RFC 4861 section 6.2.6), so that is written in; the advertisement goes to all nodes of the port.
/// The answer of DHCPv6 leaves as a packet for the port's VM (``GuestServer``). And an ICMPv6 error, as the kernel sends
/// it where nobody listens, leaves to no link-local address (`no error`).
///
/// At most ``askingRate`` requests a second of one port reach the sockets, so no VM takes them
/// from the others; what is more is dropped (`drop flood`).
extension NFTStructure {
    /// Of one port, packets per second.
    static let askingRate: UInt32 = 10
    /// Both families at once, some times over.
    static let askingBurst: UInt32 = 30
    private static let askingSetName = "asking"

    static let askingSet = NFTSet(
        name: askingSetName, fields: [.interfaceName],
        dynamic: NFTDynamic(
            sizeMax: 65_535, timeout: .seconds(60), rateMax: askingRate, burst: askingBurst))

    private static let allServers = IPv6Address(high: 0xFF02_0000_0000_0000, low: 0x0001_0002).bytes
    private static let allRouters = IPv6Address(high: 0xFF02_0000_0000_0000, low: 2).bytes
    private static let everybody = IPv4Address(0xFFFF_FFFF)
    private static let nobody = [UInt8](repeating: 0, count: 16)
    /// RFC 4291 section 2.5.6: behind the prefix of ten bits come zeros.
    private static let linkLocal: [UInt8] = [0xFE, 0x80, 0, 0, 0, 0, 0, 0]
    private static let isFromLinkLocal: [NFTStep] = [
        .network(offset: 8, length: 8, into: key), .compare(key, .equal, linkLocal),
    ]

    private static func toPort(_ number: UInt16) -> [NFTStep] {
        [
            .load(.transportProtocol, into: key), .compare(key, .equal, [17]),
            .transport(offset: 2, length: 2, into: key),
            .compare(key, .equal, [UInt8(number >> 8), UInt8(number & 0xFF)]),
        ]
    }
    private static let isDHCP = isIPv4 + toPort(67)
    private static let isDHCP6 = isIPv6 + toPort(547)
    /// Type 133 with the hop limit that no router has lowered (RFC 4861 section 6.1.1).
    private static let isRouterSolicitation: [NFTStep] =
        isICMPv6 + [
            .transport(offset: 0, length: 1, into: key), .compare(key, .equal, [133]),
            .network(offset: 7, length: 1, into: key), .compare(key, .equal, [255]),
        ]

    static func askingSources(_ port: NFTStep) -> [NFTRule] {
        // The destination first: what goes to a VM passes on after it.
        let broadcast =
            destination4(everybody) + toPort(67) + [
                .network(offset: 0, length: 1, into: key), .compare(key, .equal, [0x45]),
            ]
        return [
            NFTRule(
                name: "ask dhcp new",
                steps: broadcast + [
                    .network(offset: 12, length: 4, into: key), .compare(key, .equal, [0, 0, 0, 0]), .accept,
                ]),
            NFTRule(
                name: "ask dhcp own",
                steps: broadcast + [
                    port, .network(offset: 12, length: 4, into: afterName), .member(key, of: "source4"), .accept,
                ]),
            NFTRule(
                name: "ask dhcp6",
                steps: destination6(allServers) + toPort(547) + isFromLinkLocal + [
                    .write(gateway6, offset: 24, through: key), .accept,
                ]),
            NFTRule(
                name: "ask router own",
                steps: destination6(allRouters) + isRouterSolicitation + isFromLinkLocal + [
                    .write(nobody, offset: 8, through: key), .accept,
                ]),
            NFTRule(
                name: "ask router new",
                steps: destination6(allRouters) + isRouterSolicitation + [
                    .network(offset: 8, length: 16, into: key), .compare(key, .equal, nobody),
                    .accept,
                ]),
        ]
    }

    /// Beside what goes to the gateway's own addresses. Nothing of it comes through the tunnel: no VM is bound there.
    static let askingPairs: [NFTRule] = [
        NFTRule(name: "ask dhcp", steps: isDHCP + destination4(everybody) + [.accept]),
        NFTRule(name: "ask router", steps: isRouterSolicitation + destination6(allRouters) + [.accept]),
    ]

    /// What the host itself sends.
    static let askingOutput = NFTChain(
        name: "output", hook: 3, priority: 0, policyDrops: false,
        rules: [
            NFTRule(
                name: "no error",
                steps: isICMPv6 + [
                    .transport(offset: 0, length: 1, into: key), .compare(key, .atMost, [4]),
                    .network(offset: 24, length: 8, into: key), .compare(key, .equal, linkLocal), .drop,
                ])
        ])

    static func askingInput(device: String) -> [NFTRule] {
        let forms = [("dhcp", isDHCP), ("dhcp6", isDHCP6), ("router", isRouterSolicitation)]
        let fromPort: [NFTStep] = [.load(.inputName, into: key), .compare(key, .notEqual, name(device))]
        return forms.map { form, steps in
            NFTRule(
                name: "answer \(form)",
                steps: fromPort + steps + [.load(.inputName, into: key), .update(key, in: askingSetName), .accept])
        }
            + forms.map { form, steps in
                NFTRule(name: "drop flood \(form)", steps: fromPort + steps + [.count, .drop])
            }
    }
}
