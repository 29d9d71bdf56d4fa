import NetworkTypes
import SimulationKit
import Testing

@testable import SNISpace

@Suite struct CodecTests {
    /// Vectors of the reference implementation (xxhsum -H64, seed 0).
    @Test(
        arguments: [
            ("", 0xEF46_DB37_51D8_E999), ("a", 0xD24E_C4F1_A98C_6E5B), ("abc", 0x44BC_2CF5_AD77_0999),
            ("Nobody inspects the spammish repetition", 0xFBCE_A83C_8A37_8BF1),
        ] as [(String, UInt64)]) func checksumMatchesItsReference(text: String, hash: UInt64)
    {
        #expect(xxHash64(Array(text.utf8)[...]) == hash)
    }

    private func bench() throws -> Bench {
        var bench = try Bench()
        _ = try bench.reserve(64, for: Bench.one)
        let block = try bench.lease(Bench.one)
        try bench.run { try $0.sublease(block.first, to: Bench.b) }
        try bench.run { try $0.mark(block, reason: "idle", force: false) }
        return bench
    }

    @Test func everyByteOfASnapshotCounts() throws {
        let bytes = try bench().book.snapshot.encoded()
        for place in bytes.indices {
            for bit in 0..<8 {
                var bad = bytes
                bad[place] ^= 1 << UInt8(bit)
                #expect(throws: CodecError.self, "bit \(bit) of byte \(place)") { try BookSnapshot(decoding: bad) }
            }
        }
        #expect(throws: CodecError.trailing(count: 1)) { try BookSnapshot(decoding: bytes + [0]) }
        #expect(throws: CodecError.foreign) { try BookSnapshot(decoding: Array("not a snapshot at all".utf8)) }
    }

    /// The bytes with another version in their header, whose checksum is right.
    private func reversioned(_ bytes: [UInt8], _ version: UInt32, headerEnd: Int) -> [UInt8] {
        var bytes = bytes
        bytes[8] = UInt8(version)
        var checksum = ByteWriter()
        checksum.put(xxHash64(bytes[..<headerEnd]))
        bytes.replaceSubrange(headerEnd..<headerEnd + 8, with: checksum.bytes)
        return bytes
    }

    @Test func otherVersionsAreRefused() throws {
        let snapshot = try bench().book.snapshot.encoded()
        let log = EventLog.header + EventLog.record(.staged(SNIBlock(aligned: 256, order: 4)), sequence: 1)
        for (version, error) in [
            (2, CodecError.newerVersion(found: 2, supported: 1)), (0, .olderVersion(found: 0, supported: 1)),
        ] as [(UInt32, CodecError)] {
            #expect(throws: error) { try BookSnapshot(decoding: reversioned(snapshot, version, headerEnd: 16)) }
            #expect(throws: error) { try EventLog.replay(reversioned(log, version, headerEnd: 12), after: 0) { _ in } }
        }
        #expect(throws: CodecError.foreign) { try EventLog.replay(snapshot, after: 0) { _ in } }
        #expect(
            "\(CodecError.newerVersion(found: 2, supported: 1))".contains("version 2, this program reads version 1"))
    }

    @Test func logNamesGapsDamageAndATornEnd() throws {
        let block = SNIBlock(aligned: 256, order: 4)
        func record(_ sequence: UInt64) -> [UInt8] { EventLog.record(.staged(block), sequence: sequence) }
        func replay(_ bytes: [UInt8], _ body: (BookEvent) -> Void = { _ in }) throws -> UInt64 {
            try EventLog.replay(EventLog.header + bytes, after: 3, body)
        }
        let start = EventLog.header.count
        var seen: [BookEvent] = []
        #expect(try replay(record(4) + record(5)) { seen.append($0) } == 5)
        #expect(seen == [.staged(block), .staged(block)])
        #expect(throws: CodecError.gap(after: 4, found: 6)) {
            try replay(record(4) + record(6))
        }
        #expect(throws: CodecError.gap(after: 4, found: 4)) {
            try replay(record(4) + record(4))
        }
        let one = record(4)
        #expect(throws: CodecError.truncated(at: start + one.count)) {
            try replay(one + record(5).dropLast())
        }
        var damaged = one
        damaged[14] ^= 1
        let error = #expect(throws: CodecError.self) { try replay(damaged) }
        #expect("\(try #require(error))".contains("'record after 3'"))
        for place in one.indices {
            var bad = one
            bad[place] ^= 0x10
            #expect(throws: CodecError.self, "byte \(place)") { try replay(bad) }
        }
    }
}

@Suite struct ShardingTests {
    @Test func documentsAreComparedAndApplied() throws {
        var bench = try Bench(chunks: 2)
        let first = bench.book.sharding(version: 1)
        let claim = try bench.reserve(16, for: Bench.one)
        let leaving = SNIRange(unchecked: 600, count: 8)
        var second = bench.book.sharding(version: 2)
        second.excluding = [leaving]
        let difference = second.diff(from: first)
        #expect(difference.shards == [.init(application: Bench.one, ranges: [claim.block])])
        #expect(difference.excluded == [leaving] && difference.included.isEmpty && !difference.isEmpty)
        #expect(first.diff(from: second).included == [leaving])
        #expect(first.diff(from: second).shards == [.init(application: Bench.one, ranges: [])])
        try bench.run { try $0.apply(second, over: first) }
        #expect(bench.book.excluding == [leaving])
        var third = bench.book.sharding(version: 3)
        third.excluding = []
        try bench.run { try $0.apply(third, over: second) }
        #expect(bench.book.excluding.isEmpty)
    }

    @Test func staleNewerAndForeignDocumentsAreRefused() throws {
        let book = try Bench().book
        let inForce = book.sharding(version: 5)
        func refuse(_ error: ShardingError, _ change: (inout ShardingConfiguration) -> Void) {
            var document = inForce
            document.version = 6
            change(&document)
            #expect(throws: error) { try book.apply(document, over: inForce) }
        }
        refuse(.stale(version: 5, inForce: 5)) { $0.version = 5 }
        refuse(.newerFormat(found: 2, supported: 1)) { $0.format = 2 }
        refuse(.anotherPool(field: "chunk-size")) { $0.chunkOrder = 9 }
        refuse(.anotherPool(field: "key")) { $0.keyFingerprint ^= 1 }
        refuse(.anotherPool(field: "block-sizes")) { $0.blockSizes = 4...512 }
        refuse(.refused(.invalid(field: "format", why: "must be from 1 to 1"))) { $0.format = 0 }
        refuse(.refused(.invalid(field: "version", why: "\(UInt64.max) is beyond \(UInt64.max >> 1)"))) {
            $0.version = .max
        }
        let (first, second) = (SNIRange(unchecked: 300, count: 9), SNIRange(unchecked: 308, count: 1))
        refuse(.refused(.overlapping(first, second))) { $0.excluding = [second, first] }
        refuse(.refused(.invalid(field: "half-life", why: "must be longer than nothing"))) {
            $0.thresholds.halfLife = .zero
        }
        let outside = SNIRange(unchecked: 9000, count: 4)
        refuse(.refused(.outsidePool(outside))) { $0.excluding = [outside] }
    }
}

@Suite struct LifeCycleTests {
    @Test func identitiesNeverComeBack() throws {
        var bench = try Bench()
        let claim = try bench.reserve(16, for: Bench.one)
        #expect(throws: BookError.stillOwns(Bench.one, identifiers: 16)) { try bench.book.forget(Bench.one) }
        try bench.run { try $0.end(claim.id, reason: "test") }
        try bench.run { try $0.forget(Bench.one) }
        #expect(throws: BookError.retired(Bench.one)) { try bench.reserve(16, for: Bench.one) }
        #expect(throws: BookError.retired(Bench.one)) { try bench.book.setQuota(Bench.one, cap: 1, floor: 0) }
        #expect(throws: BookError.retired(Bench.one)) {
            try bench.book.adopt(
                claim.block, application: Bench.one, host: Bench.a, epoch: Epoch(9), id: claim.id,
                lifetime: .seconds(9), reason: "held")
        }
        let restored = try Book(restoring: BookSnapshot(decoding: bench.book.snapshot.encoded()))
        #expect(throws: BookError.retired(Bench.one)) { try restored.forget(Bench.one) }
    }

    @Test func partialGrantSaysWhatIsMissing() throws {
        let book = try Bench().book
        let events = try book.reserve(
            id: ReservationID(UUID128(high: 1, low: 1)), application: Bench.one, count: 400, blockOrder: 4,
            predicted: false, lifetime: .seconds(9), reason: "test")
        let grant = try #require(Grant(events, wanted: 400))
        #expect(grant.isPartial && grant.missing == 144 && grant.reservation.block.size == 256)
    }
}
