import Dataplane
import NetworkTypes

/// What lets a VM ask its host for an address: DHCP (RFC 2131), DHCPv6 (RFC 8415) and router solicitations (RFC 4861)
/// reach the host's own sockets, and nothing else that looks like them does.
///
/// | packet from a port | from | to | rule |
/// |---|---|---|---|
/// | DHCP, without IP options | 0.0.0.0, or the VM's address | 255.255.255.255 | `ask dhcp new`, `ask dhcp own` |
/// | DHCP | the VM's address | the gateway | `port source4`, as any other |
/// | DHCPv6 | the VM's link-local address | ff02::1:2 | `ask dhcp6` |
/// | router solicitation | the VM's link-local address, or `::` | ff02::2 | `ask router own`, `ask router new` |
///
/// DHCPv6 is sent on to the gateway's address: the group would have to be joined on every port, and a socket's memory
/// allows for some hundreds. At most ``askingRate`` requests a second of one port reach the sockets, so no VM takes them
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
        let own6: [NFTStep] = [port, .network(offset: 8, length: 16, into: afterName), .member(key, of: "solicitor6")]
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
                steps: destination6(allServers) + toPort(547) + own6 + [
                    .write(gateway6, offset: 24, through: key), .accept,
                ]),
            NFTRule(name: "ask router own", steps: destination6(allRouters) + isRouterSolicitation + own6 + [.accept]),
            NFTRule(
                name: "ask router new",
                steps: destination6(allRouters) + isRouterSolicitation + [
                    .network(offset: 8, length: 16, into: key), .compare(key, .equal, [UInt8](repeating: 0, count: 16)),
                    .accept,
                ]),
        ]
    }

    /// Beside what goes to the gateway's own addresses. Nothing of it comes through the tunnel: no VM is bound there.
    static let askingPairs: [NFTRule] = [
        NFTRule(name: "ask dhcp", steps: isDHCP + destination4(everybody) + [.accept]),
        NFTRule(name: "ask router", steps: isRouterSolicitation + destination6(allRouters) + [.accept]),
    ]

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
