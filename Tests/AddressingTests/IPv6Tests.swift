import NetworkTypes
import SimulationKit
import Testing

@testable import Addressing

@Suite struct RouterAdvertisementTests {
    @Test func theMessage() throws {
        let bytes = RouterAdvertisement.message(for: DHCPv4Tests.port, DHCPv4Tests.plan)
        #expect(bytes[..<16] == [134, 0, 0, 0, 64, 0xC0, 0xFF, 0xFF, 0, 0, 0, 0, 0, 0, 0, 0])
        #expect(bytes[16..<24] == [1, 1, 2, 0x4F, 0x52, 0, 0, 1])
        #expect(bytes[24..<32] == [5, 1, 0, 0, 0, 0, 0x05, 0xAA])
        #expect(bytes[32..<40] == [25, 3, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF] && bytes.count == 56)
        let plain = AddressingPlan(
            gateway4: DHCPv4Tests.plan.gateway4, gateway6: .linkLocal(1), gatewayMAC: DHCPv4Tests.plan.gatewayMAC)
        #expect(RouterAdvertisement.message(for: DHCPv4Tests.port, plain).count == 32)
    }

    @Test func onlyValidSolicitationsAreAnswered() {
        let plain: [UInt8] = [133, 0, 0, 0, 0, 0, 0, 0]
        let named = plain + [1, 1, 6, 0x4F, 0x52, 0, 0x10, 0x1A]
        #expect(RouterAdvertisement.isSolicited(by: plain, hopLimit: 255))
        #expect(RouterAdvertisement.isSolicited(by: named, hopLimit: 255))
        #expect(!RouterAdvertisement.isSolicited(by: plain, hopLimit: 254))
        for bytes in [
            [], Array(plain.dropLast()), [134] + plain.dropFirst(), plain + [1, 0], plain + [1, 1, 0], plain + [1],
        ] {
            #expect(!RouterAdvertisement.isSolicited(by: bytes, hopLimit: 255), "\(bytes)")
        }
    }
}

@Suite struct DHCPv6Tests {
    private static let client: [UInt8] = [0, 1, 0, 4, 9, 9, 9, 9]
    private static let server: [UInt8] = [0, 3, 0, 1] + DHCPv4Tests.plan.gatewayMAC.bytes
    private static let other = IPv6Address(high: 0xFD53_4E49_5349_0010, low: 0x1B00_0000_0000_0001)

    private static func option(_ code: UInt8, _ value: [UInt8]) -> [UInt8] {
        [0, code, UInt8(value.count >> 8), UInt8(value.count & 255)] + value
    }
    private static func association(_ addresses: [IPv6Address] = []) -> [UInt8] {
        option(
            3,
            [0, 0, 0, 5] + [UInt8](repeating: 0, count: 8)
                + addresses.flatMap { option(5, $0.bytes + [UInt8](repeating: 0, count: 8)) })
    }
    private static func message(_ kind: UInt8, server: [UInt8]? = nil, _ rest: [UInt8] = []) -> [UInt8] {
        [kind, 0xA, 0xB, 0xC] + option(1, client) + (server.map { option(2, $0) } ?? []) + rest
    }
    private static func reply(_ bytes: [UInt8]) -> [UInt8]? {
        DHCPv6.reply(to: bytes, for: DHCPv4Tests.port, DHCPv4Tests.plan)
    }
    private static let forEver = [UInt8](repeating: 0xFF, count: 8)
    private static let given =
        option(3, [0, 0, 0, 5] + [UInt8](repeating: 0, count: 8) + option(5, DHCPv4Tests.port.ipv6.bytes + forEver))
    private static let names = option(1, client) + option(2, server)
    private static let dns = option(23, IPv6Address(high: 0xFD00 << 48, low: 0x53).bytes)

    @Test func anAddressIsOfferedAndGiven() {
        #expect(
            Self.reply(Self.message(1, Self.association())) == [2, 0xA, 0xB, 0xC] + Self.names + Self.given
                + Self.option(7, [255]) + Self.dns)
        #expect(
            Self.reply(Self.message(1, Self.association() + Self.option(14, [])))
                == [7, 0xA, 0xB, 0xC] + Self.names + Self.given + Self.option(14, []) + Self.option(7, [255]) + Self.dns
        )
        for kind: UInt8 in [3, 5] {
            #expect(
                Self.reply(Self.message(kind, server: Self.server, Self.association([DHCPv4Tests.port.ipv6])))
                    == [7, 0xA, 0xB, 0xC] + Self.names + Self.given + Self.dns)
        }
        #expect(Self.reply(Self.message(6, Self.association()))?.starts(with: [7]) == true)
        #expect(Self.reply(Self.message(11)) == [7, 0xA, 0xB, 0xC] + Self.names + Self.dns)
    }

    @Test func anAddressOfAnotherIsTakenBack() throws {
        let reply = try #require(Self.reply(Self.message(3, server: Self.server, Self.association([Self.other]))))
        let value =
            [0, 0, 0, 5] + [UInt8](repeating: 0, count: 8) + Self.option(5, DHCPv4Tests.port.ipv6.bytes + Self.forEver)
            + Self.option(5, Self.other.bytes + [UInt8](repeating: 0, count: 8))
        #expect(reply == [7, 0xA, 0xB, 0xC] + Self.names + Self.option(3, value) + Self.dns)
    }

    @Test func addressesAreConfirmedOrNot() {
        for (addresses, status): ([IPv6Address], UInt8) in [
            ([DHCPv4Tests.port.ipv6], 0), ([Self.other], 4), ([DHCPv4Tests.port.ipv6, Self.other], 4),
        ] {
            #expect(
                Self.reply(Self.message(4, Self.association(addresses)))
                    == [7, 0xA, 0xB, 0xC] + Self.names + Self.option(13, [0, status]) + Self.dns)
        }
        #expect(Self.reply(Self.message(4, Self.association())) == nil)
        #expect(Self.reply(Self.message(8, server: Self.server, Self.association([Self.other])))?.contains(13) == true)
    }

    @Test func temporaryAddressesAndPrefixesAreNotThere() throws {
        let reply = try #require(
            Self.reply(
                Self.message(
                    1, Self.option(4, [0, 0, 0, 6]) + Self.option(25, [0, 0, 0, 7] + [UInt8](repeating: 0, count: 8)))))
        #expect(
            reply == [2, 0xA, 0xB, 0xC] + Self.names + Self.option(4, [0, 0, 0, 6] + Self.option(13, [0, 2]))
                + Self.option(25, [0, 0, 0, 7] + [UInt8](repeating: 0, count: 8) + Self.option(13, [0, 6]))
                + Self.option(7, [255]) + Self.dns)
    }

    @Test func whatIsNotForUsIsNotAnswered() {
        let foreign: [UInt8] = [0, 3, 0, 1, 2, 2, 2, 2, 2, 2]
        let silent: [[UInt8]] = [
            [], [1, 2, 3], Self.message(1, server: Self.server), Self.message(3, server: foreign), Self.message(3),
            Self.message(4, server: Self.server), Self.message(6, server: Self.server),
            Self.message(8, server: foreign),
            Self.message(11, server: foreign), Self.message(2), Self.message(7), Self.message(12), Self.message(13),
            [1, 1, 2, 3] + Self.association(), Self.message(1) + [0, 3, 0, 99],
            Self.message(1, Self.option(3, [0, 0])),
            Self.message(1, Self.option(1, Self.client)),
            Self.message(1, (0..<9).flatMap { _ in Self.association() }),
        ]
        for bytes in silent { #expect(Self.reply(bytes) == nil, "\(bytes)") }
    }

    /// Whatever comes: the one address that is given for ever is the port's.
    @Test func hostileBytes() throws {
        try property("DHCPv6 requests", iterations: 5000) { generator in
            let kind = UInt8.random(in: 1...12, using: &generator)
            var bytes = Self.message(
                kind, server: Bool.random(using: &generator) ? Self.server : nil,
                Self.association([Self.other, DHCPv4Tests.port.ipv6])
                    + Self.option(25, [UInt8](repeating: 1, count: 40)))
            for _ in 0..<Int.random(in: 0...6, using: &generator) {
                let index = Int.random(in: 0..<bytes.count, using: &generator)
                switch Int.random(in: 0..<3, using: &generator) {
                case 0: bytes[index] = UInt8.random(in: 0...255, using: &generator)
                case 1: bytes.removeLast(min(bytes.count - 1, index % 30))
                default: bytes.insert(UInt8.random(in: 0...255, using: &generator), at: index)
                }
            }
            guard let reply = Self.reply(bytes) else { return }
            let own = DHCPv4Tests.port.ipv6.bytes
            for index in reply.indices.dropLast(27) where Array(reply[index..<index + 4]) == [0, 5, 0, 24] {
                let isForEver = Array(reply[(index + 20)..<(index + 28)]) == Self.forEver
                if isForEver { try hold(Array(reply[(index + 4)..<(index + 20)]) == own, "\(bytes)") }
            }
            try hold(reply.count < bytes.count + 200, "\(reply.count) for \(bytes.count)")
        }
    }
}
