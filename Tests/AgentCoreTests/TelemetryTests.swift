import AgentCore
import FleetProtocol
import NetworkTypes
import Testing

@Suite struct TelemetryTests {
    static func sample(_ sni: UInt32, index: Int, _ bytes: UInt64) -> PortSample {
        PortSample(
            sni: SessionNetworkID(unchecked: sni), index: index,
            counters: TrafficCounters(receivedBytes: bytes, sentBytes: 2 * bytes, receivedPackets: bytes / 10))
    }

    @Test func oneIntervalOfOneApplication() throws {
        var rig = Rig.ready()
        _ = rig.attach(Rig.vm(1))
        _ = rig.attach(Rig.vm(2))
        _ = rig.detach(Rig.vm(1))
        _ = rig.submitAttach(Rig.vm(3), Rig.appB, timeout: .seconds(3))
        rig.advance(.seconds(3))
        rig.feed(.portSamples([Self.sample(0x1001, index: 12, 500)]))
        rig.advance(.seconds(7))
        let batch = try #require(rig.aggregates.last)
        #expect(batch.sequence == 101 && batch.interval == .seconds(10))
        #expect(batch.endedAt.nanoseconds == 1_010_000_000_000)
        let a = try #require(batch.applications.first { $0.application == Rig.appA })
        #expect(a.vms == 1 && a.peakVMs == 2 && a.launches == 2 && a.stops == 1 && a.cooling == 1 && a.misses == 0)
        #expect(a.traffic?.receivedBytes == 500 && a.traffic?.sentBytes == 1000)
        let b = try #require(batch.applications.first { $0.application == Rig.appB })
        #expect(b.misses == 1 && b.waited == .seconds(3) && b.launches == 0 && b.traffic == nil)
    }

    @Test func countersNeverGoBackwards() throws {
        var rig = Rig.ready()
        _ = rig.attach(Rig.vm(1))
        for (index, bytes) in [(11, 100), (11, 300), (11, 50), (11, 80), (40, 1_000_000), (40, 1_000_005)] {
            rig.feed(.portSamples([Self.sample(0x1000, index: index, UInt64(bytes))]))
        }
        rig.advance(.seconds(10))
        let traffic = try #require(rig.aggregates.last?.applications.first?.traffic)
        #expect(traffic.receivedBytes == 300 + 30 + 5)
        rig.crash()
        rig.settle()
        rig.connect()
        rig.feed(.portSamples([Self.sample(0x1000, index: 11, 2_000_000)]))
        rig.advance(.seconds(10))
        #expect(rig.aggregates.last?.applications.first?.traffic == nil)
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
        #expect(rig.aggregates.map(\.sequence) == [103, 104, 105, 106])
        #expect(rig.notices.filter { $0 == .aggregatesDropped(1) }.count == 2)
        rig.feed(.message(Rig.position(1), .reportAck(journalSequence: 0, aggregateSequence: 105)))
        rig.sent = []
        rig.feed(.disconnected)
        rig.connect()
        #expect(rig.aggregates.map(\.sequence) == [106])
    }
}
