import FleetProtocol
import NetworkTypes
import Telemetry
import Testing

/// CPU, memory and flows.
@Suite struct WorkloadTests {
    typealias Base = EngineTests

    static func task(_ number: UInt32, _ process: Int32, began: Double, _ seconds: Double) -> TaskReading {
        TaskReading(
            sni: Base.sni(number), process: process, began: Base.at(began), cpuNanoseconds: UInt64(seconds * 1e9))
    }

    static func flow(_ source: UInt32, _ destination: UInt32, _ bytes: UInt64, v6: Bool = false) -> FlowReading {
        FlowReading(
            source: Base.sni(source), destination: Base.sni(destination), isIPv6: v6, bytes: bytes,
            packets: bytes / 100)
    }

    @Test func cpuOfAllProcessesAndOfNewOnesFromTheirBeginning() {
        var engine = TelemetryEngine(interval: .seconds(10))
        func cpu(_ seconds: Double, _ tasks: [TaskReading]) -> (Duration?, TelemetryGaps) {
            let step = engine.take(Base.reading(seconds) { $0.tasks = tasks }, targets: Base.targets)
            return (step.applications[Base.appA]?.cpu, step.applications[Base.appA]?.gaps ?? TelemetryGaps())
        }
        #expect(cpu(100, [Self.task(0x1000, 50, began: 10, 30)]) == (nil, TelemetryGaps(unbased: 1)))
        let second = cpu(110, [Self.task(0x1000, 50, began: 10, 34), Self.task(0x1000, 60, began: 105, 2)])
        #expect(second == (.seconds(6), TelemetryGaps()))
        // The number is used again by a process that began later: the old one's tail is a gap, the new one counts.
        let third = cpu(120, [Self.task(0x1000, 50, began: 10, 35), Self.task(0x1000, 60, began: 112, 1)])
        #expect(third == (.seconds(2), TelemetryGaps(unread: 1)))
        // A process that began before and came in from elsewhere: its past is not this VM's.
        let fourth = cpu(
            130,
            [
                Self.task(0x1000, 50, began: 10, 35), Self.task(0x1000, 60, began: 112, 1),
                Self.task(0x1001, 70, began: 20, 99),
            ])
        #expect(fourth == (.zero, TelemetryGaps(unbased: 1)))
    }

    @Test func aVMThatCouldNotBeReadKeepsItsProcessesForTheNextTime() {
        var engine = TelemetryEngine(interval: .seconds(10))
        _ = engine.take(
            Base.reading(0) { $0.tasks = [Self.task(0x1000, 50, began: 0, 1)] }, targets: Base.targets)
        let missed = engine.take(
            Base.reading(10) { $0.unreadWorkloads = [Base.sni(0x1000)] }, targets: Base.targets)
        #expect(missed.applications[Base.appA]?.cpu == nil)
        #expect(missed.applications[Base.appA]?.gaps == TelemetryGaps(unread: 1))
        let next = engine.take(
            Base.reading(20) { $0.tasks = [Self.task(0x1000, 50, began: 0, 4)] }, targets: Base.targets)
        #expect(next.applications[Base.appA]?.cpu == .seconds(3))
        #expect(next.applications[Base.appA]?.gaps == TelemetryGaps(late: 1))
    }

    @Test func memoryIsTheSumOfThoseThatWereRead() {
        var engine = TelemetryEngine(interval: .seconds(10))
        let step = engine.take(
            Base.reading(0) {
                $0.memory = [
                    MemoryReading(sni: Base.sni(0x1000), bytes: 100), MemoryReading(sni: Base.sni(0x1001), bytes: 20),
                ]
            }, targets: Base.targets)
        #expect(step.applications[Base.appA]?.memory == 120 && step.applications[Base.appA]?.memoryVMs == 2)
        #expect(step.applications[Base.appB]?.memory == nil)
        var sum = ApplicationMeasure()
        sum.add(step.applications[Base.appA] ?? ApplicationMeasure())
        sum.add(ApplicationMeasure())
        #expect(sum.memory == 120 && sum.memoryVMs == 2)
    }

    @Test func pairsOfBothFamiliesCountTogetherFromTheSecondDumpOn() {
        var engine = TelemetryEngine(interval: .seconds(10))
        func take(_ seconds: Double, _ flows: [FlowReading]?) -> ApplicationMeasure? {
            engine.take(Base.reading(seconds) { $0.flows = flows }, targets: Base.targets).applications[Base.appA]
        }
        #expect(take(0, [Self.flow(0x1000, 0x1001, 900)])?.peers == nil)
        // The first dump may have been short, so what the second shows first is a beginning too.
        let second = take(10, [Self.flow(0x1000, 0x1001, 1000), Self.flow(0x1000, 0x1001, 700, v6: true)])
        #expect(second?.peers?.bytes == 100 && second?.gaps.unbased == 1)
        let third = take(
            20,
            [
                Self.flow(0x1000, 0x1001, 1000), Self.flow(0x1000, 0x1001, 750, v6: true),
                Self.flow(0x1001, 0x1000, 40),
            ])
        #expect(third?.peers?.bytes == 90)
        #expect(third?.peers?.pairs.map(\.bytes) == [50, 40])
        // An element that was made anew counts as a whole, a silent set is 0, an unread one nothing.
        #expect(take(30, [Self.flow(0x1000, 0x1001, 30)])?.peers?.bytes == 30)
        #expect(take(40, [])?.peers == PeerTable())
        #expect(take(50, nil)?.peers == nil)
    }

    @Test func aShortDumpDoesNotCountAPastTwice() {
        var engine = TelemetryEngine(interval: .seconds(10))
        var total: UInt64 = 0
        let dumps: [[FlowReading]] = [
            [Self.flow(0x1000, 0x1001, 900)], [Self.flow(0x1000, 0x1001, 1000)], [], [],
            [Self.flow(0x1000, 0x1001, 1050)],
        ]
        for (index, dump) in dumps.enumerated() {
            let step = engine.take(Base.reading(Double(index) * 10) { $0.flows = dump }, targets: Base.targets)
            total += step.applications[Base.appA]?.peers?.bytes ?? 0
        }
        #expect(total == 150)
    }

    @Test func anIdentifiersNextOwnerDoesNotInheritItsPairs() {
        var engine = TelemetryEngine(interval: .seconds(10))
        var targets = Base.targets
        for seconds in [0.0, 10] {
            _ = engine.take(Base.reading(seconds) { $0.flows = [Self.flow(0x1000, 0x1001, 500)] }, targets: targets)
        }
        targets.revision = 2
        targets.applications[Base.sni(0x1000)] = nil
        for seconds in [20.0, 30, 40, 50, 60] {
            let step = engine.take(
                Base.reading(seconds) { $0.flows = [Self.flow(0x1000, 0x1001, 520)] }, targets: targets)
            #expect(step.applications[Base.appA]?.peers?.bytes == 0)
        }
        targets.revision = 3
        targets.applications[Base.sni(0x1000)] = Base.appB
        let step = engine.take(
            Base.reading(70) { $0.flows = [Self.flow(0x1000, 0x1001, 530)] }, targets: targets)
        #expect(step.applications[Base.appB]?.peers?.bytes == 10)
    }

    @Test func packetsThatFoundTheSetFull() {
        var engine = TelemetryEngine(interval: .seconds(10))
        let steps = [7, 19, 3].enumerated().map { index, packets in
            engine.take(
                Base.reading(Double(index) * 10) { $0.unattributedPackets = UInt64(packets) }, targets: Base.targets
            )
            .unattributedPackets
        }
        #expect(steps == [nil, 12, nil])
    }

    @Test func pairsAreBounded() {
        var engine = TelemetryEngine(interval: .seconds(10))
        let many = (0..<UInt32(TelemetryEngine.flowsMax) + 1000).map { Self.flow(0x1000, $0 + 1, 100) }
        let step = engine.take(Base.reading(0) { $0.flows = many }, targets: Base.targets)
        #expect(engine.flowCount == TelemetryEngine.flowsMax)
        #expect(step.applications[Base.appA]?.gaps.unread == 1000)
        for seconds in [10.0, 20, 30, 40, 50] {
            _ = engine.take(Base.reading(seconds), targets: Base.targets)
        }
        #expect(engine.flowCount == 0)
    }
}
