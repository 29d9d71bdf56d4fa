import AgentCore
import FleetProtocol
import NetworkTypes
import Telemetry
import Testing

@Suite struct TelemetryTests {
    /// What a reading brought for one application.
    static func step(_ application: ApplicationID, _ change: (inout ApplicationMeasure) -> Void) -> TelemetryStep {
        var measure = ApplicationMeasure()
        change(&measure)
        return TelemetryStep(applications: [application: measure])
    }

    @Test func oneIntervalOfOneApplication() throws {
        var rig = Rig.ready()
        _ = rig.attach(Rig.vm(1))
        _ = rig.attach(Rig.vm(2))
        _ = rig.detach(Rig.vm(1))
        _ = rig.submitAttach(Rig.vm(3), Rig.appB, timeout: .seconds(3))
        rig.advance(.seconds(3))
        let targets = rig.machine.telemetryTargets
        #expect(targets.applications == [SessionNetworkID(unchecked: 0x1001): Rig.appA])
        #expect(targets.blocks[SessionNetworkID(unchecked: 0x1000)] == Rig.appA)
        for bytes: UInt64 in [200, 300] {
            rig.feed(
                .measured(
                    Self.step(Rig.appA) {
                        $0.traffic = TrafficCounters(receivedBytes: bytes, sentBytes: 2 * bytes)
                        $0.cpu = .seconds(1)
                        $0.memory = bytes
                        $0.gaps.late = 1
                    }))
        }
        rig.advance(.seconds(7))
        let batch = try #require(rig.aggregates.last)
        #expect(batch.sequence == 101 && batch.interval == .seconds(10))
        #expect(batch.endedAt.nanoseconds == 1_010_000_000_000)
        let a = try #require(batch.applications.first { $0.application == Rig.appA })
        #expect(a.vms == 1 && a.peakVMs == 2 && a.launches == 2 && a.stops == 1 && a.cooling == 1 && a.misses == 0)
        #expect(a.traffic?.receivedBytes == 500 && a.traffic?.sentBytes == 1000)
        #expect(a.cpu == .seconds(2) && a.memory == 300 && a.peers == nil && a.gaps == TelemetryGaps(late: 2))
        let b = try #require(batch.applications.first { $0.application == Rig.appB })
        #expect(b.misses == 1 && b.waited == .seconds(3) && b.launches == 0 && b.traffic == nil)
    }

    /// VMs that another system runs are counted apart, and stay while no reading says otherwise.
    @Test func observedVMsAreNoVMs() throws {
        var rig = Rig.ready()
        func feed(_ vms: Int, launches: Int, stops: Int) {
            var measure = ObservedMeasure()
            measure.vms = vms
            measure.interfaces = vms
            measure.launches = launches
            measure.stops = stops
            measure.measure.traffic = TrafficCounters(receivedBytes: 5)
            var step = TelemetryStep()
            step.observed = [Rig.appB: measure]
            rig.feed(.measured(step))
        }
        func observed() throws -> ObservedAggregate? {
            let part = try #require(rig.aggregates.last?.applications.first { $0.application == Rig.appB })
            #expect(part.vms == 0 && part.peakVMs == 0 && part.launches == 0)
            return part.observed
        }
        feed(4, launches: 0, stops: 0)
        feed(3, launches: 1, stops: 2)
        rig.advance(.seconds(10))
        #expect(
            try observed()
                == ObservedAggregate(
                    vms: 3, peakVMs: 4, launches: 1, stops: 2, interfaces: 3,
                    traffic: TrafficCounters(receivedBytes: 10)))
        rig.advance(.seconds(10))
        #expect(try observed() == ObservedAggregate(vms: 3, peakVMs: 3, interfaces: 3))
        // What ends within an interval was its peak.
        feed(0, launches: 0, stops: 3)
        rig.advance(.seconds(10))
        #expect(try observed()?.vms == 0)
        #expect(try observed()?.peakVMs == 3)
        #expect(try observed()?.stops == 3)
        rig.advance(.seconds(10))
        #expect(rig.aggregates.last?.applications.first { $0.application == Rig.appB }?.observed == nil)
    }

    @Test func anIntervalKeepsNothingOfTheOneBefore() {
        var rig = Rig.ready()
        rig.feed(.measured(Self.step(Rig.appA) { $0.traffic = TrafficCounters(receivedBytes: 1) }))
        rig.advance(.seconds(10))
        rig.advance(.seconds(10))
        #expect(rig.aggregates.map { $0.applications.first?.traffic?.receivedBytes } == [1, nil])
    }

    @Test func sequencesRiseAcrossARestartAndGapsStayGaps() {
        var rig = Rig.ready()
        rig.advance(.seconds(10))
        rig.crash()
        rig.settle()
        rig.connect()
        rig.advance(.seconds(30))
        #expect(rig.aggregates.map(\.sequence) == [101, 104])
        #expect(rig.hellos.last?.aggregateSequence == 102)
    }

    @Test func keptWhileTheCoordinatorIsAwayWithABound() {
        var rig = Rig.ready()
        rig.feed(.disconnected)
        rig.sent = []
        for _ in 0..<6 { rig.advance(.seconds(10)) }
        #expect(rig.aggregates.isEmpty)
        rig.connect()
        // Above the bound the oldest are folded, and nothing is lost.
        #expect(rig.aggregates.map(\.sequence) == [102, 104, 105, 106])
        #expect(rig.aggregates.map(\.folded) == [2, 2, 1, 1])
        #expect(rig.notices.filter { $0 == .aggregatesFolded(1) }.count == 2)
        rig.feed(.message(Rig.position(1), .reportAck(journalSequence: 0, aggregateSequence: 105)))
        rig.sent = []
        rig.feed(.disconnected)
        rig.connect()
        #expect(rig.aggregates.map(\.sequence) == [106])
    }

    @Test func aRestartWhileTheCoordinatorIsAwayLosesNothing() {
        var rig = Rig.ready()
        rig.advance(.seconds(10))
        #expect(rig.kept.isEmpty, "nothing is written while somebody takes it")
        rig.feed(.disconnected)
        for _ in 0..<3 { rig.advance(.seconds(10)) }
        // What the coordinator had not acknowledged before it went goes along with the first.
        var disk: [Aggregates] = []
        for record in rig.kept {
            switch record {
            case .append(let batch): disk.append(batch)
            case .replace(let batches): disk = batches
            }
        }
        #expect(disk.map(\.sequence) == [101, 102, 103, 104])
        rig.crash()
        rig.machine.restoreBacklog(disk, lost: 5)
        rig.settle()
        rig.sent = []
        rig.connect()
        #expect(rig.aggregates == disk)
        rig.advance(.seconds(10))
        #expect(rig.aggregates.last?.sequence == 105 && rig.aggregates.last?.lost == 5)
        rig.kept = []
        rig.feed(.message(Rig.position(1), .reportAck(journalSequence: 0, aggregateSequence: 105)))
        #expect(rig.kept == [.replace([])])
    }
}
