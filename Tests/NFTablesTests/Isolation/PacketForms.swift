import NetworkTypes

/// A form of packet that a guest may try, from one address to another.
struct PacketForm: Sendable, CustomStringConvertible {
    let description: String
    /// IPv4 and IPv6 in one: which one is used says ``isIPv6``.
    let isIPv6: Bool
    private let build: @Sendable (Guest, Guest) -> [UInt8]

    func packet(from source: Guest, to destination: Guest) -> [UInt8] { build(source, destination) }

    private static func v4(
        _ name: String, transport: UInt8, fragment: (offset: Int, more: Bool)? = nil, _ payload: [UInt8]
    ) -> PacketForm {
        PacketForm(description: "IPv4 \(name)", isIPv6: false) {
            Frames.ip4($0.address4, $1.address4, transport: transport, fragment: fragment, payload)
        }
    }

    private static func v6(_ name: String, next: UInt8, _ payload: [UInt8]) -> PacketForm {
        PacketForm(description: "IPv6 \(name)", isIPv6: true) {
            Frames.ip6($0.address6, $1.address6, next: next, payload)
        }
    }

    private static let udp: [UInt8] = [0x0F, 0xA0, 0x0F, 0xA1, 0, 16, 0, 0] + [UInt8](repeating: 7, count: 8)
    /// A SYN (RFC 9293), its checksum left to whoever looks.
    private static let tcp: [UInt8] =
        [0x0F, 0xA0, 0x0F, 0xA1, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0xFF, 0xFF, 0, 0, 0, 0]
    private static let echo: [UInt8] = [8, 0, 0xF7, 0xFC, 0, 1, 0, 2]
    private static let echo6: [UInt8] = [128, 0, 0, 0, 0, 1, 0, 2]
    /// A Pad option that fills an options header (RFC 8200 section 4.2).
    private static func options(next: UInt8) -> [UInt8] { [next, 0, 1, 4, 0, 0, 0, 0] }
    private static func fragment6(next: UInt8, offset: Int, more: Bool) -> [UInt8] {
        [next, 0, UInt8(offset >> 8), UInt8(offset & 0xF8) | (more ? 1 : 0), 0, 0, 0, 9]
    }

    /// Forms that pass within an application and not between two.
    static let all: [PacketForm] = [
        v4("UDP", transport: 17, udp), v4("TCP", transport: 6, tcp), v4("ICMP echo", transport: 1, echo),
        v4("first fragment", transport: 17, fragment: (0, true), udp),
        v4("last fragment", transport: 17, fragment: (64, false), udp),
        v4("unknown transport", transport: 253, udp),
        v6("UDP", next: 17, udp), v6("TCP", next: 6, tcp), v6("ICMPv6 echo", next: 58, echo6),
        v6("first fragment", next: 44, fragment6(next: 17, offset: 0, more: true) + udp),
        v6("last fragment", next: 44, fragment6(next: 17, offset: 64, more: false) + udp),
        v6("hop-by-hop options", next: 0, options(next: 17) + udp),
        v6("destination options", next: 60, options(next: 17) + udp),
        v6("two extension headers", next: 0, options(next: 60) + options(next: 58) + echo6),
        v6("routing header", next: 43, [17, 0, 253, 0, 0, 0, 0, 0] + udp),
        v6("no next header", next: 59, []),
    ]
}

extension Frames {
    /// An IPv4 packet with any transport payload and options (RFC 791).
    static func ip4(
        _ source: IPv4Address, _ destination: IPv4Address, transport: UInt8, ttl: UInt8 = 64,
        fragment: (offset: Int, more: Bool)? = nil, dontFragment: Bool = false, options: [UInt8] = [],
        _ payload: [UInt8]
    ) -> [UInt8] {
        let words = 5 + options.count / 4
        let length = 4 * words + payload.count
        let offset = (fragment?.offset ?? 0) / 8
        let flags = UInt8(fragment?.more == true ? 0x20 : 0) | (dontFragment ? 0x40 : 0)
        var header: [UInt8] = [0x40 | UInt8(words), 0, UInt8(length >> 8), UInt8(length & 0xFF), 0, 9]
        header += [flags | UInt8(offset >> 8), UInt8(offset & 0xFF), ttl, transport, 0, 0]
        header += source.bytes + destination.bytes + options
        header.replaceSubrange(10..<12, with: checksum(header))
        return header + payload
    }
}
