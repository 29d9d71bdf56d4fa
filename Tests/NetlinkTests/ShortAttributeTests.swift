import CNetlinkShim
import Glibc
import Testing

/// Attributes that are shorter than their kind says: nothing behind them is taken for a part of them.
@Suite struct ShortAttributeTests {
    private static func attribute(_ type: UInt16, _ value: [UInt8]) -> [UInt8] {
        bytes(of: UInt16(4 + value.count)) + bytes(of: type) + value + [UInt8](repeating: 0, count: -value.count & 3)
    }

    /// An expression's name without its zero byte: the padding behind it is no part of it.
    @Test func aNameEndsWithItsMessage() {
        for isWhole in [false, true] {
            let name = Self.attribute(1, Array("counter".utf8) + (isWhole ? [0] : []))
            // NFTA_RULE_EXPRESSIONS, NFTA_LIST_ELEM, NFTA_EXPR_NAME, NFTA_EXPR_DATA.
            let rule = Self.attribute(0x8004, Self.attribute(0x8001, name + Self.attribute(0x8002, [])))
            let bytes = message(type: 0x0A06, flags: 2, sequence: 1, [1, 0, 0, 0] + rule) + [0, 0, 0, 0]
            var row = outrider_nft_row()
            #expect(unsafe outrider_nft_parse_row(bytes, bytes.count, OUTRIDER_NFT_RULES, &row) == 0)
            #expect(row.has_counter == (isWhole ? 1 : 0))
        }
    }

    @Test func aShortNumberIsNone() {
        // rtmsg of 10.0.0.0/24 in the main table; RTA_DST, RTA_PRIORITY, RTA_OIF, RTA_NH_ID.
        let head: [UInt8] = [2, 24, 0, 0, 254, 83, 0, 1, 0, 0, 0, 0] + Self.attribute(1, [10, 0, 0, 0])
        for (length, expected) in [(2, UInt32(0)), (4, 0x0404_0404)] {
            let value = [UInt8](repeating: 4, count: length)
            let bytes = message(
                type: 24, flags: 2, sequence: 1,
                head + Self.attribute(6, value) + Self.attribute(4, value) + Self.attribute(30, value))
            var route = outrider_route()
            #expect(unsafe outrider_nl_route_parse(bytes, bytes.count, &route) == 0)
            #expect(route.metric == expected && route.nexthop == expected && UInt32(route.index) == expected)
        }
    }

    /// The last attribute would reach into what lies behind the message.
    @Test func aMessageEndsOnFourBytes() {
        let head: [UInt8] = [2, 24, 0, 0, 254, 83, 0, 1, 0, 0, 0, 0] + Self.attribute(1, [10, 0, 0, 0])
        var bytes = message(type: 24, flags: 2, sequence: 1, head + [8, 0, 6, 0, 4, 4, 4])
        #expect(bytes.count == 44 && load32(bytes, 0) == 43)
        bytes[43] = 4
        var route = outrider_route()
        #expect(unsafe outrider_nl_route_parse(bytes, bytes.count, &route) == -EBADMSG)
        var row = outrider_nft_row()
        let table = message(type: 0x0A00, flags: 2, sequence: 1, [1, 0, 0, 0, 8, 0, 1, 0, 97, 98, 99])
        #expect(unsafe outrider_nft_parse_row(table, table.count, OUTRIDER_NFT_TABLES, &row) == -EBADMSG)
    }
}
