import CNetlinkShim
import Dataplane
import NetworkTypes
import Testing

@testable import Netlink

/// Byte layouts of nf_tables messages, against what the kernel was shown to accept.
@Suite struct GoldenTests {
    /// The messages of a transaction as hex, sequence number and frame left out.
    private func messages(_ build: (inout NFTBatch) -> Void) throws -> [String] {
        var batch = NFTBatch(messages: 4, firstSequence: 1)
        defer { batch.release() }
        build(&batch)
        let bytes = try batch.finish()
        var result: [String] = []
        var offset = 0
        while offset < bytes.count {
            let length = Int(bytes[offset]) | Int(bytes[offset + 1]) << 8
            let message = bytes[offset..<offset + 8] + bytes[offset + 16..<offset + length]
            result.append(message.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined())
            offset += (length + 3) & ~3
        }
        return result
    }

    /// Hexadecimal text without its spaces.
    private func hex(_ text: String) -> String { text.filter { $0 != " " } }

    @Test func theFrameNamesTheSubsystem() throws {
        let frame = try messages { $0.deleteTable(.netdev, "nfc") }
        #expect(frame.first == hex("14000000 10000100 0000000a"))
        #expect(frame.last == hex("14000000 11000100 0000000a"))
        // NFT_MSG_DELTABLE, REQUEST|ACK: the last message alone asks for an answer.
        #expect(frame[1] == hex("1c000000 020a0500 05000000 08000100 6e666300"))
    }

    @Test func anIntervalElementHasKeyAndInclusiveEnd() throws {
        let pair = FilterElement.pair4(
            IPv4Address(0x0A00_1100)...IPv4Address(0x0A00_110F), IPv4Address(0x0A00_1200)...IPv4Address(0x0A00_120F))
        let element = try messages { $0.change(NFTElementBytes(pair), delete: false) }[1]
        #expect(
            element
                == hex(
                    """
                    58000000 0c0a0506 01000000 0d000100 6f75747269646572 00000000 0a000200 706169723400 0000 \
                    28000380 24000180 10000180 0c000100 0a001100 0a001200 10000a80 0c000100 0a00110f 0a00120f
                    """))
    }

    @Test func anIngressKeyHasItsTunnelIDInNetworkOrder() {
        let bytes = NFTElementBytes(.ingress4(vni: SessionNetworkID(unchecked: 4352), IPv4Address(0x0A00_1101)))
        #expect(bytes.key == [0, 0, 0x11, 0, 10, 0, 0x11, 1] && bytes.end.isEmpty)
        #expect(bytes.place == NFTPlace(.ingress4) && bytes.place.family == .netdev)
    }

    @Test func aConcatenatedSetNamesFieldLengthsInBytes() throws {
        let table = NFTTable(
            family: .netdev, name: "nfc", sets: [NFTSet(name: "blk4", fields: [.mark, .ipv4], interval: true)],
            chains: [])
        let set = try messages { $0.add(table, comment: "v") }[2]
        #expect(
            set.dropFirst(8)
                == hex(
                    """
                    090a0504 05000000 08000100 6e666300 09000200 626c6b3400000000 08000300 00000084 08000400 \
                    000004c7 08000500 00000008 08000a00 00000001 20000980 1c000280 0c000180 08000100 00000004 \
                    0c000180 08000100 00000004
                    """))
    }

    @Test func namesThatDoNotFitAreAnError() throws {
        let long = String(repeating: "x", count: 64)
        #expect(throws: NetlinkError.self) { try messages { $0.deleteTable(.inet, long) } }
    }

    /// Bytes of a kernel that is not to be trusted: every prefix and every flipped byte is an error or a row.
    @Test func brokenMessagesNeverCrashTheParsers() throws {
        var batch = NFTBatch(messages: 4, firstSequence: 1)
        defer { batch.release() }
        for element in [FilterElement.vtep(.v4(IPv4Address(1))), .ingress6(vni: .max, IPv6Address(high: 1, low: 2))] {
            batch.change(NFTElementBytes(element), delete: false)
        }
        let whole = Array(try batch.finish().dropFirst(20))
        for length in 0..<whole.count { parse(Array(whole[..<length])) }
        for index in whole.indices {
            for value: UInt8 in [0, 1, 0x7F, 0xFF] {
                var bytes = whole
                bytes[index] = value
                parse(bytes)
            }
        }
    }

    private func parse(_ bytes: [UInt8]) {
        // A copy of exactly this size, so that reading past the end would be reading past an allocation.
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: max(bytes.count, 1), alignment: 8)
        defer { unsafe buffer.deallocate() }
        unsafe buffer.copyBytes(from: bytes)
        var row = outrider_nft_row()
        for kind in [OUTRIDER_NFT_TABLES, OUTRIDER_NFT_CHAINS, OUTRIDER_NFT_RULES] {
            _ = unsafe outrider_nft_parse_row(buffer.baseAddress, bytes.count, kind, &row)
        }
        var cursor = 0
        var element = outrider_nft_element()
        var count = 0
        while count < 100, unsafe outrider_nft_next_element(buffer.baseAddress, bytes.count, &cursor, &element) == 1 {
            count += 1
        }
        #expect(count < 100)
    }
}
