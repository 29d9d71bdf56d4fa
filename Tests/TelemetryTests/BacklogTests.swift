import FleetProtocol
import NetworkTypes
import SimulationKit
import Telemetry
import Testing

@Suite struct BacklogTests {
    static func batch(_ sequence: UInt64, launches: Int = 1, vms: Int = 1, applications: Int = 1) -> Aggregates {
        Aggregates(
            sequence: sequence, interval: .seconds(10), endedAt: EngineTests.at(Double(sequence) * 10),
            applications: (0..<applications).map { number in
                ApplicationAggregate(
                    application: EngineTests.application(UInt64(number + 1)), vms: vms, peakVMs: vms + 1, cooling: 0,
                    launches: launches, stops: 0, misses: 0, waited: .seconds(1),
                    traffic: TrafficCounters(receivedBytes: 100))
            })
    }

    @Test func belowTheBoundNothingChanges() {
        var backlog = AggregateBacklog(limits: .init(batchesMax: 4))
        for sequence in 1...4 {
            let folded = backlog.append(Self.batch(UInt64(sequence)))
            #expect(!folded)
        }
        #expect(backlog.batches == (1...4).map { Self.batch(UInt64($0)) })
        // A number that was there already.
        backlog.append(Self.batch(4, launches: 9))
        #expect(backlog.batches.last == Self.batch(4))
        let removed = [backlog.acknowledge(upTo: 3), backlog.acknowledge(upTo: 3)]
        #expect(removed == [true, false] && backlog.batches.map(\.sequence) == [4])
    }

    @Test func theOldestNeighborsAreFolded() {
        var backlog = AggregateBacklog(limits: .init(batchesMax: 4))
        for sequence in 1...6 { backlog.append(Self.batch(UInt64(sequence), launches: sequence, vms: 10 - sequence)) }
        #expect(backlog.batches.map(\.folded) == [2, 2, 1, 1])
        #expect(backlog.batches.map(\.sequence) == [2, 4, 5, 6])
        #expect(backlog.folded == 2 && backlog.lost == 0 && backlog.intervals == 6)
        let first = backlog.batches[0]
        #expect(first.interval == .seconds(20) && first.endedAt == EngineTests.at(20))
        let part = first.applications[0]
        #expect(part.launches == 3 && part.vms == 8 && part.peakVMs == 10 && part.waited == .seconds(2))
        #expect(part.traffic?.receivedBytes == 200)
    }

    @Test func anApplicationThatIsNotNamedAnyMoreHasNoVMsAtTheEnd() throws {
        var backlog = AggregateBacklog(limits: .init(batchesMax: 1))
        backlog.append(Self.batch(1, launches: 3, vms: 5, applications: 2))
        backlog.append(Self.batch(2, launches: 1, vms: 4, applications: 1))
        let sum = try #require(backlog.batches.first)
        #expect(sum.applications.map(\.vms) == [4, 0])
        #expect(sum.applications.map(\.peakVMs) == [6, 6])
        #expect(sum.applications.map(\.launches) == [4, 3])
    }

    @Test func whatIsTooOldIsGivenUpAndCounted() {
        var backlog = AggregateBacklog(limits: .init(batchesMax: 8, ageMax: .seconds(100)))
        for sequence in 1...30 { backlog.append(Self.batch(UInt64(sequence))) }
        #expect(backlog.batches.allSatisfy { $0.endedAt >= EngineTests.at(200) })
        #expect(backlog.lost + UInt64(backlog.intervals) == 30 && backlog.lost > 0)
    }

    @Test func bigOnesAreFoldedEarlier() {
        var backlog = AggregateBacklog(limits: .init(bytesMax: 100_000))
        for sequence in 1...100 { backlog.append(Self.batch(UInt64(sequence), applications: 50)) }
        #expect(backlog.bytes <= 100_000 && backlog.batches.count < 10)
        #expect(backlog.intervals == 100)
    }

    @Test func fiveHundredAndTwelveReachBackForSixteenThousand() {
        var backlog = AggregateBacklog()
        for sequence in 1...16_320 { backlog.append(Self.batch(UInt64(sequence))) }
        #expect(backlog.batches.count <= 512 && backlog.lost == 0 && backlog.intervals == 16_320)
        #expect(backlog.batches.suffix(32).allSatisfy { $0.folded == 1 })
        #expect(backlog.batches.map(\.folded).max() ?? 0 <= 256)
    }

    @Test func nothingIsLostSilently() throws {
        try property("backlog", iterations: 200) { random in
            let limit = random.integer(in: 1...12)
            var backlog = AggregateBacklog(
                limits: .init(batchesMax: limit, ageMax: .seconds(random.integer(in: 50...5000))))
            var sequence: UInt64 = 0
            var given = 0
            var taken = 0
            var lostBefore: UInt64 = 0
            var launchesLost = 0
            for _ in 0..<100 {
                sequence += UInt64(random.integer(in: 1...3))
                let launches = random.integer(in: 0...9)
                given += launches
                let held = backlog.batches.reduce(0) { $0 + ($1.applications.first?.launches ?? 0) }
                backlog.append(Self.batch(sequence, launches: launches))
                let now = backlog.batches.reduce(0) { $0 + ($1.applications.first?.launches ?? 0) }
                launchesLost += held + launches - now
                try hold((backlog.lost > lostBefore) || held + launches == now, "launches vanished uncounted")
                lostBefore = backlog.lost
                try hold(backlog.batches.count <= limit, "\(backlog.batches.count) of \(limit)")
                let sequences = backlog.batches.map(\.sequence)
                try hold(sequences == sequences.sorted(), "order")
                if random.chance(0.1), let upTo = sequences.randomElement(using: &random) {
                    taken += backlog.batches.filter { $0.sequence <= upTo }
                        .reduce(0) { $0 + ($1.applications.first?.launches ?? 0) }
                    backlog.acknowledge(upTo: upTo)
                }
            }
            let left = backlog.batches.reduce(0) { $0 + ($1.applications.first?.launches ?? 0) }
            try hold(given == taken + left + launchesLost, "\(given) of \(taken) + \(left) + \(launchesLost)")
        }
    }
}
