import NetworkTypes
import SimulationKit
import Testing

@testable import CoordinatorCore

@Suite struct HistoryTests {
    @Test func valuesAreExactToElevenBits() {
        for value in Array(0...5000) + [65_535, 1 << 31, 1 << 62, .max - 1, .max] as [UInt64] {
            let kept = HistoryValue(value).value
            if value < 2048 { #expect(kept == value) }
            let error = abs(Double(kept ?? 0) - Double(value))
            #expect(error <= Double(value) / 2048, "\(value) became \(kept ?? 0)")
        }
        #expect(HistoryValue(nil).value == nil && HistoryValue(0).value == 0)
        let rising = (0...63).map { HistoryValue(1 << UInt64($0)).code }
        #expect(rising == rising.sorted() && Set(rising).count == 64)
    }

    @Test func unknownIsNotZero() {
        var history = ApplicationHistory()
        for slot in 0..<60 {
            switch slot {
            case 3...5: history.skip(to: slot)
            case 30..<50: break
            default: history.record([.vms: 10, .launches: 2], at: slot)
            }
        }
        #expect(history.values(.vms, .fine)[2...6] == [10, nil, nil, nil, 10])
        // 27 of 30 are known, then 10 of 30.
        #expect(history.values(.vms, .middle) == [10, nil])
        #expect(history.values(.launches, .middle) == [60, nil])
        #expect(history.values(.cpu, .fine).allSatisfy { $0 == nil } && history.values(.cpu, .fine).count == 60)
    }

    @Test func whatComesTwiceOrTooLateIsLeftOut() {
        var history = ApplicationHistory()
        history.record([.vms: 1], at: 1000)
        #expect(history.record([.vms: 2], at: 1000) == .duplicate)
        #expect(history.record([.vms: 2], at: 1000 - 180) == .late)
        #expect(history.record([.vms: 2], at: 1000 - 179) == .taken)
        #expect(history.record([.vms: 2], at: -1) == .late)
        #expect(history.values(.vms, .fine).last == .some(1) && history.values(.vms, .fine).first == .some(2))
    }

    /// In any order within the fine ring, the same past.
    @Test func orderDoesNotMatter() {
        var random = SeededGenerator(seed: 5)
        let values: [UInt64] = (0..<170).map { _ in .random(in: 0...900, using: &random) }
        var (straight, shuffled) = (ApplicationHistory(), ApplicationHistory())
        for slot in values.indices { straight.record([.vms: values[slot], .launches: values[slot] / 3], at: slot) }
        shuffled.skip(to: 169)
        for slot in values.indices.shuffled(using: &random) {
            shuffled.record([.vms: values[slot], .launches: values[slot] / 3], at: slot)
        }
        #expect(straight == shuffled && straight.values(.vms, .middle).count == 5)
    }

    /// Against a dictionary that keeps everything, at a seed that is printed.
    @Test(arguments: [1, 2, 3, 4] as [UInt64]) func model(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        var (history, all) = (ApplicationHistory(), [Int: UInt64]())
        var slot = 500_000_000
        for _ in 0..<9000 {
            slot += [1, 1, 1, 1, 1, 1, 1, 2, 40, 700].randomElement(using: &random) ?? 1
            let value = UInt64.random(in: 0...2000, using: &random)
            all[slot] = value
            history.record([.vms: value, .launches: 1], at: slot)
        }
        let fine = history.values(.vms, .fine)
        #expect(fine == (slot - 179...slot).map { all[$0] }, "seed \(seed)")
        for resolution in [HistoryResolution.middle, .coarse] {
            let (kept, end) = (history.values(.launches, resolution), history.end(resolution))
            for (index, value) in kept.enumerated() {
                let first = end - (kept.count - index) * resolution.slots
                let known = (first..<first + resolution.slots).count { all[$0] != nil }
                if resolution == .middle {
                    #expect((value != nil) == (known >= 15), "seed \(seed), \(known) known")
                    if let value { #expect(value == 30, "launches are filled up to one a slot") }
                } else if value != nil {
                    #expect(known >= 90)
                }
            }
        }
    }

    @Test func bytesRoundTripAndAreBounded() throws {
        var history = ApplicationHistory()
        #expect(ApplicationHistory(encoded: history.encoded()) == history && history.byteCount == 0)
        for slot in 0..<20_000 {
            history.record(
                Dictionary(uniqueKeysWithValues: HistoryMeasure.allCases.map { ($0, UInt64(slot * 77)) }),
                at: 180_000_000 + slot)
        }
        #expect(history.byteCount == 11_256)
        let bytes = history.encoded()
        #expect(ApplicationHistory(encoded: bytes) == history)
        #expect(ApplicationHistory(encoded: Array(bytes.dropLast())) == nil)
        #expect(ApplicationHistory(encoded: bytes + [0]) == nil)
        #expect(ApplicationHistory(encoded: [9] + bytes.dropFirst()) == nil)
        #expect(ApplicationHistory(encoded: []) == nil)
    }

    @Test func base64IsThatOfRFC4648() {
        #expect(Base64.text(Array("foobar".utf8)) == "Zm9vYmFy" && Base64.text(Array("fooba".utf8)) == "Zm9vYmE=")
        #expect(Base64.text(Array("foob".utf8)) == "Zm9vYg==" && Base64.text([]) == "")
        for count in 0..<64 {
            let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 * 37) }
            #expect(Base64.bytes(Base64.text(bytes)) == bytes)
        }
    }

    /// What the fleet did is told, restored with the store, and the same after a replay.
    @Test(arguments: [false, true]) func fleetHasAPast(fromSnapshot: Bool) throws {
        let fleet = try Fleet(hosts: 2)
        fleet.start()
        let app = try fleet.application("web")
        for index in 1...100 {
            for host in fleet.names { fleet.aggregate(host, [(app, vms: index, launches: 1)]) }
        }
        let told = try fleet.machine.history(of: "web", .fine, last: 3)
        #expect(told.values[.vms] == [196, 198, 200] && told.values[.launches] == [2, 2, 2])
        #expect(told.values[.cpu] == [nil, nil, nil] && told.step == .seconds(1) && told.age == .zero)
        let before = try fleet.machine.history(of: "web", .middle)
        try fleet.restart(fromSnapshot: fromSnapshot)
        #expect(try fleet.machine.history(of: "web", .middle) == before && before.values[.vms]?.count == 3)
    }
}
