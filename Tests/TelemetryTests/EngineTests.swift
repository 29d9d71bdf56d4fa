import FleetProtocol
import NetworkTypes
import Telemetry
import Testing

@Suite struct EngineTests {
    static let appA = application(1)
    static let appB = application(2)

    static func application(_ number: UInt64) -> ApplicationID { ApplicationID(UUID128(high: 1, low: number)) }
    static func sni(_ number: UInt32) -> SessionNetworkID { SessionNetworkID(unchecked: number) }
    static func at(_ seconds: Double) -> Instant { Instant(nanoseconds: Int64(seconds * 1e9)) }

    static let targets = TelemetryTargets(
        revision: 1, applications: [sni(0x1000): appA, sni(0x1001): appA, sni(0x2000): appB],
        blocks: [sni(0x1000): appA])

    static func port(
        _ number: UInt32, _ bytes: UInt64, device: UInt64 = 7, isNew: Bool = false, of application: ApplicationID? = nil
    ) -> PortReading {
        PortReading(
            sni: sni(number), device: device, isNew: isNew, application: application,
            counters: TrafficCounters(receivedBytes: bytes, receivedPackets: bytes / 100))
    }

    static func reading(_ seconds: Double, _ change: (inout TelemetryReading) -> Void = { _ in }) -> TelemetryReading {
        var reading = TelemetryReading(at: at(seconds), tunnelDevice: 1)
        reading.ports = []
        reading.tunnels = []
        reading.flows = []
        change(&reading)
        return reading
    }

    /// Feeds the readings of one port and returns what came of each.
    static func bytes(_ rows: [(Double, PortReading?)]) -> [(UInt64?, TelemetryGaps)] {
        var engine = TelemetryEngine(interval: .seconds(10))
        return rows.map { seconds, row in
            let step = engine.take(
                reading(seconds) { reading in
                    reading.ports = row.map { [$0] }
                    if row == nil { reading.unreadPorts = [sni(0x1000)] }
                }, targets: targets)
            let measure = step.applications[appA]
            return (measure?.traffic?.receivedBytes, measure?.gaps ?? TelemetryGaps())
        }
    }

    @Test func aFirstReadingIsABeginningAndNothingElse() {
        let steps = Self.bytes([(0, Self.port(0x1000, 5000)), (10, Self.port(0x1000, 5600))])
        #expect(steps[0].0 == nil && steps[0].1 == TelemetryGaps(unbased: 1))
        #expect(steps[1].0 == 600 && steps[1].1.isEmpty)
    }

    @Test func aPortMadeHereBeganAtZero() {
        let steps = Self.bytes([(0, Self.port(0x1000, 500, isNew: true))])
        #expect(steps[0].0 == 500 && steps[0].1.isEmpty)
    }

    @Test func countersWrapAtSixtyFourBits() {
        let steps = Self.bytes([(0, Self.port(0x1000, .max - 99)), (10, Self.port(0x1000, 200))])
        // Packets fell by far more than a machine can do: with one counter in doubt, none counts.
        #expect(steps[1].0 == nil && steps[1].1.reset == 1)
        var engine = TelemetryEngine(interval: .seconds(10))
        func take(_ seconds: Double, _ bytes: UInt64) -> ApplicationMeasure? {
            let row = PortReading(
                sni: Self.sni(0x1000), device: 7, isNew: false, application: nil,
                counters: TrafficCounters(receivedBytes: bytes))
            return engine.take(Self.reading(seconds) { $0.ports = [row] }, targets: Self.targets)
                .applications[Self.appA]
        }
        _ = take(0, .max - 99)
        let wrapped = take(10, 200)
        #expect(wrapped?.traffic?.receivedBytes == 300 && wrapped?.gaps.isEmpty == true)
    }

    @Test func aFallIsAResetAndNeverNegative() {
        let steps = Self.bytes([
            (0, Self.port(0x1000, 5000)), (10, Self.port(0x1000, 40)), (20, Self.port(0x1000, 90)),
        ])
        #expect(steps[1].0 == nil && steps[1].1 == TelemetryGaps(reset: 1))
        #expect(steps[2].0 == 50 && steps[2].1.isEmpty)
    }

    @Test func noMachineDoesAPetabytePerSecond() {
        let steps = Self.bytes([(0, Self.port(0x1000, 100)), (10, Self.port(0x1000, 1 << 60))])
        #expect(steps[1].0 == nil && steps[1].1.reset == 1)
    }

    @Test func anIndexThatIsUsedAgainIsAnotherDevice() {
        let steps = Self.bytes([
            (0, Self.port(0x1000, 100, device: 7)), (10, Self.port(0x1000, 900, device: 8)),
            (20, Self.port(0x1000, 950, device: 8)), (30, Self.port(0x1000, 70, device: 9, isNew: true)),
        ])
        #expect(steps[1].0 == nil && steps[1].1.reset == 1)
        #expect(steps[2].0 == 50)
        // All of the new device, and the tail of the old one is not known.
        #expect(steps[3].0 == 70 && steps[3].1 == TelemetryGaps(unread: 1))
    }

    @Test func aMissedReadingIsMarkedInBothIntervals() {
        let steps = Self.bytes([
            (0, Self.port(0x1000, 100)), (10, nil), (20, Self.port(0x1000, 400)),
        ])
        #expect(steps[1].0 == nil && steps[1].1 == TelemetryGaps(unread: 1))
        #expect(steps[2].0 == 300 && steps[2].1 == TelemetryGaps(late: 1))
    }

    @Test func theLastWordOfAPortCountsForTheApplicationThatItServed() {
        var engine = TelemetryEngine(interval: .seconds(10))
        _ = engine.take(Self.reading(0) { $0.ports = [Self.port(0x1000, 100)] }, targets: Self.targets)
        var later = Self.targets
        later.revision = 2
        later.applications[Self.sni(0x1000)] = nil
        // Another came and went between the readings.
        let short = Self.port(0x1009, 70, device: 9, isNew: true, of: Self.appB)
        let step = engine.take(
            Self.reading(10) {
                $0.endedPorts = [Self.port(0x1000, 180), short]
            }, targets: later)
        #expect(step.applications[Self.appA]?.traffic?.receivedBytes == 80)
        #expect(step.applications[Self.appA]?.gaps.isEmpty == true)
        #expect(step.applications[Self.appB]?.traffic?.receivedBytes == 70)
    }

    @Test func aPortThatVanishesSilentlyIsAGap() {
        var engine = TelemetryEngine(interval: .seconds(10))
        _ = engine.take(Self.reading(0) { $0.ports = [Self.port(0x1000, 100)] }, targets: Self.targets)
        var later = Self.targets
        later.revision = 2
        later.applications[Self.sni(0x1000)] = nil
        let step = engine.take(Self.reading(10), targets: later)
        #expect(step.applications[Self.appA]?.gaps == TelemetryGaps(unread: 1))
    }

    @Test func tunnelsOfNewBlocksBeginAtZeroAndOfOldOnesSomewhere() {
        var engine = TelemetryEngine(interval: .seconds(10))
        func tunnel(_ number: UInt32, _ bytes: UInt64) -> TunnelReading {
            TunnelReading(vni: Self.sni(number), counters: TunnelCounters(receivedBytes: bytes))
        }
        let first = engine.take(Self.reading(0) { $0.tunnels = [tunnel(0x1000, 900)] }, targets: Self.targets)
        #expect(first.applications[Self.appA]?.tunnel == nil)
        #expect(first.applications[Self.appA]?.gaps.unbased == 1)
        var later = Self.targets
        later.revision = 2
        later.blocks[Self.sni(0x2000)] = Self.appB
        let second = engine.take(
            Self.reading(10) { $0.tunnels = [tunnel(0x1000, 950), tunnel(0x2000, 33), tunnel(0x9000, 1)] },
            targets: later)
        #expect(second.applications[Self.appA]?.tunnel?.receivedBytes == 50)
        #expect(second.applications[Self.appB]?.tunnel?.receivedBytes == 33)
        // The device was made anew: its counters are others.
        let third = engine.take(
            Self.reading(20) {
                $0.tunnelDevice = 2
                $0.tunnels = [tunnel(0x1000, 990)]
            }, targets: later)
        #expect(third.applications[Self.appA]?.tunnel == nil && third.applications[Self.appA]?.gaps.reset == 1)
    }

    @Test func whatIsNotReadIsAbsentNeverZero() {
        var engine = TelemetryEngine(interval: .seconds(10))
        for seconds in [0.0, 10] {
            let step = engine.take(TelemetryReading(at: Self.at(seconds)), targets: Self.targets)
            let measure = step.applications[Self.appA] ?? ApplicationMeasure()
            #expect(measure.traffic == nil && measure.tunnel == nil && measure.cpu == nil && measure.memory == nil)
            #expect(measure.peers == nil && measure.gaps.unread > 0)
            #expect(step.unattributedPackets == nil)
        }
    }
}
