import NetworkTypes
import SimulationKit
import Testing

@testable import Addressing

@Suite struct DHCPv4Tests {
    static let port = GuestPort(
        mac: MACAddress(0x064F_5200_101A), ipv4: IPv4Address(0x0A00_101A),
        ipv6: IPv6Address(high: 0xFD53_4E49_5349_0010, low: 0x1A00_0000_0000_0001), mtu: 1450)
    static let plan = AddressingPlan(
        gateway4: IPv4Address(0xA9FE_0101), gateway6: .linkLocal(1), gatewayMAC: MACAddress(0x024F_5200_0001),
        dns: [.v4(IPv4Address(0xC000_0235)), .v6(IPv6Address(high: 0xFD00 << 48, low: 0x53))])
    private static let other = IPv4Address(0x0A00_101B)
    private static let unspecified = IPv4Address(0)

    /// A client's message as its bytes.
    static func message(
        _ kind: UInt8, client: IPv4Address = unspecified, requested: IPv4Address? = nil, server: IPv4Address? = nil,
        flags: UInt16 = 0, mac: MACAddress = port.mac, extra: [UInt8] = []
    ) -> [UInt8] {
        var bytes: [UInt8] = [1, 1, 6, 0, 0xDE, 0xAD, 0xBE, 0xEF, 0, 7, UInt8(flags >> 8), UInt8(flags & 255)]
        bytes += client.bytes + [UInt8](repeating: 0, count: 12) + mac.bytes + [UInt8](repeating: 0, count: 10 + 192)
        bytes += [0x63, 0x82, 0x53, 0x63, 53, 1, kind] + extra
        if let requested { bytes += [50, 4] + requested.bytes }
        if let server { bytes += [54, 4] + server.bytes }
        return bytes + [255]
    }

    private static func reply(_ bytes: [UInt8]) -> DHCPv4.Reply? { DHCPv4.reply(to: bytes, for: port, plan) }

    /// Options of a reply, by code.
    private static func options(_ reply: DHCPv4.Reply) throws -> [UInt8: [UInt8]] {
        var options: [UInt8: [UInt8]] = [:]
        var rest = reply.bytes[240...]
        while let code = rest.popFirst(), code != 255 {
            let next = rest.popFirst()
            let length = try #require(next)
            #expect(options[code] == nil)
            options[code] = Array(rest.prefix(Int(length)))
            rest = rest.dropFirst(Int(length))
        }
        #expect(rest.allSatisfy { $0 == 0 })
        return options
    }

    @Test func anOfferSaysEverything() throws {
        let offer = try #require(Self.reply(Self.message(1, extra: [61, 3, 1, 2, 3])))
        #expect(offer.bytes[..<12] == [2, 1, 6, 0, 0xDE, 0xAD, 0xBE, 0xEF, 0, 0, 0, 0])
        #expect(
            Array(offer.bytes[16..<20]) == Self.port.ipv4.bytes && Array(offer.bytes[28..<34]) == Self.port.mac.bytes)
        #expect(offer.destination == .unicast(Self.port.ipv4) && offer.bytes.count >= 300)
        let options = try Self.options(offer)
        #expect(options[53] == [2] && options[54] == [169, 254, 1, 1] && options[1] == [255, 255, 255, 255])
        #expect(options[3] == [169, 254, 1, 1] && options[26] == [0x05, 0xAA] && options[6] == [192, 0, 2, 53])
        // RFC 3442: width, the significant bytes of the destination, the router.
        #expect(options[121] == [32, 169, 254, 1, 1, 0, 0, 0, 0, 0, 169, 254, 1, 1])
        #expect(options[51] == [0x01, 0xE1, 0x33, 0x80] && options[61] == [1, 2, 3])
    }

    /// From each state of RFC 2131 section 4.3.2: selecting, rebooting, renewing or rebinding; and INFORM.
    private static let requests: [([UInt8], UInt8)] = [
        (message(3, requested: port.ipv4, server: plan.gateway4), 5), (message(3, requested: port.ipv4), 5),
        (message(3, client: port.ipv4), 5), (message(3, requested: other, server: plan.gateway4), 6),
        (message(3, requested: other), 6), (message(3, client: other), 6), (message(8, client: port.ipv4), 5),
    ]

    @Test(arguments: requests)
    func requestsAreAnswered(_ bytes: [UInt8], _ kind: UInt8) throws {
        let reply = try #require(Self.reply(bytes))
        #expect(try Self.options(reply)[53] == [kind])
        #expect((reply.destination == .broadcast) == (kind == 6))
        let isInform = bytes[242] == 8
        #expect(Array(reply.bytes[16..<20]) == (kind == 6 || isInform ? [0, 0, 0, 0] : Self.port.ipv4.bytes))
        #expect(try (Self.options(reply)[51] == nil) == (kind == 6 || isInform))
    }

    @Test func broadcastIsForWhoAsksForIt() {
        #expect(Self.reply(Self.message(1, flags: 0x8000))?.destination == .broadcast)
        // One that has its address hears unicast whatever it says.
        #expect(
            Self.reply(Self.message(3, client: Self.port.ipv4, flags: 0x8000))?.destination == .unicast(Self.port.ipv4))
    }

    @Test func whatIsNotForUsIsNotAnswered() {
        #expect(Self.reply(Self.message(3, requested: Self.port.ipv4, server: Self.other)) == nil)
        #expect(Self.reply(Self.message(1, mac: MACAddress(0x0200_0000_0001))) == nil)
        #expect(Self.reply(Self.message(3)) == nil && Self.reply(Self.message(8, client: Self.other)) == nil)
        for kind: UInt8 in [0, 2, 4, 5, 6, 7, 9, 255] { #expect(Self.reply(Self.message(kind)) == nil, "\(kind)") }
        var relayed = Self.message(1)
        relayed[24] = 10
        var answer = Self.message(1)
        answer[0] = 2
        for bytes in [relayed, answer, [], [1, 1, 6, 0], Array(Self.message(1).dropLast())] {
            #expect(Self.reply(bytes) == nil)
        }
    }

    /// Whatever comes: nothing but the port's own address is given, and a reply is no longer than a frame may be.
    @Test func hostileBytes() throws {
        try property("DHCPv4 requests", iterations: 5000) { generator in
            let kinds: [UInt8] = [1, 3, 8]
            var bytes = Self.message(
                kinds.randomElement(using: &generator) ?? 1,
                client: Bool.random(using: &generator) ? Self.other : Self.unspecified,
                requested: Self.other, extra: [61, 255] + [UInt8](repeating: 7, count: 255))
            for _ in 0..<Int.random(in: 0...8, using: &generator) {
                let index = Int.random(in: 0..<bytes.count, using: &generator)
                switch Int.random(in: 0..<3, using: &generator) {
                case 0: bytes[index] = UInt8.random(in: 0...255, using: &generator)
                case 1: bytes.removeLast(min(bytes.count - 1, index % 60))
                default: bytes.insert(UInt8.random(in: 0...255, using: &generator), at: min(index, bytes.count))
                }
            }
            guard let reply = Self.reply(bytes) else { return }
            let given = Array(reply.bytes[16..<20])
            try hold(given == [0, 0, 0, 0] || given == Self.port.ipv4.bytes, "\(bytes)")
            if case .unicast(let address) = reply.destination { try hold(address == Self.port.ipv4, "\(bytes)") }
            try hold(reply.bytes.count <= 576 + 257, "\(reply.bytes.count)")
        }
    }
}
