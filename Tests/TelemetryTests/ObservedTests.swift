import FleetProtocol
import NetworkTypes
import SimulationKit
import Telemetry
import Testing

@Suite struct ObservedTests {
    private static let appA = EngineTests.appA
    private static let appB = EngineTests.appB

    private static func row(
        _ name: String, _ bytes: UInt64, index: Int = 5, vm: String? = nil, of application: ApplicationID = appA
    ) -> ObservedReading.Port {
        .init(
            observed: ObservedInterface(
                interface: HostInterface(index: index, name: name), application: application, vm: vm ?? name),
            counters: TrafficCounters(receivedBytes: bytes, receivedPackets: bytes / 100))
    }

    private static func reading(
        _ seconds: Double, _ ports: [ObservedReading.Port]?, _ change: (inout ObservedReading) -> Void = { _ in }
    ) -> ObservedReading {
        var reading = ObservedReading(at: EngineTests.at(seconds))
        reading.ports = ports
        change(&reading)
        return reading
    }

    // MARK: Whose

    private static let domain = LibvirtDomain(
        uuid: UUID128(high: 7, low: 7), name: "web-1", interfaces: ["vnet0", "vnet1"], process: 42, application: appB)

    @Test func theFirstRuleThatMatchesDecides() throws {
        let rules = try [
            "name=vnet1 application=\(Self.appA)", "domain=web-* application=metadata", "alias=* application=alias",
        ]
        .map { try #require(ObservationRule($0)) }
        let book = ObservationBook(rules: rules, domains: [Self.domain])
        func observed(_ name: String, _ alias: String = "") -> ObservedInterface? {
            book.observed(HostInterface(index: 1, name: name, alias: alias))
        }
        #expect(observed("vnet1")?.application == Self.appA)
        #expect(observed("vnet0")?.application == Self.appB && observed("vnet0")?.process == 42)
        #expect(observed("vnet0")?.vm == "\(UUID128(high: 7, low: 7))" && observed("vnet0")?.vmName == "web-1")
        #expect(observed("tap0", "vm of \(Self.appA) here")?.application == Self.appA)
        #expect(observed("tap0", "vm of \(Self.appA) here")?.vm == "tap0")
        // A rule that matches and finds no application ends the search.
        #expect(observed("tap0", "nobody's") == nil)
    }

    // MARK: Counting

    @Test func virtualMachinesComeAndGo() throws {
        var engine = ObservedEngine(interval: .seconds(10))
        func take(_ seconds: Double, _ ports: [ObservedReading.Port]?) -> [ApplicationID: ObservedMeasure]? {
            engine.take(Self.reading(seconds, ports))
        }
        let first = try #require(take(0, [Self.row("a", 0), Self.row("b", 0, index: 6)]))
        #expect(first[Self.appA]?.vms == 2 && first[Self.appA]?.launches == 0)
        #expect(take(10, nil) == nil)
        let third = try #require(
            take(20, [Self.row("a", 0, vm: "x"), Self.row("c", 0, index: 7, vm: "x", of: Self.appB)]))
        // Two interfaces of one VM are one VM, of the lower application.
        #expect(third[Self.appA]?.vms == 1 && third[Self.appA]?.launches == 1 && third[Self.appA]?.stops == 2)
        #expect(third[Self.appB]?.vms == 0 && third[Self.appB]?.interfaces == 1)
        let last = try #require(take(30, []))
        #expect(last[Self.appA]?.vms == 0 && last[Self.appA]?.stops == 1)
        #expect(engine.remembered == 0)
    }

    @Test func trafficIsNeverInvented() throws {
        var engine = ObservedEngine(interval: .seconds(10))
        func take(_ seconds: Double, _ ports: [ObservedReading.Port]) throws -> ApplicationMeasure {
            let step = engine.take(Self.reading(seconds, ports))
            return try #require(step?[Self.appA]).measure
        }
        let first = try take(0, [Self.row("a", 5000)])
        #expect(first.traffic == nil && first.gaps == TelemetryGaps(unbased: 1))
        #expect(try take(10, [Self.row("a", 5600)]).traffic?.receivedBytes == 600)
        // The same name on another device.
        let other = try take(20, [Self.row("a", 9000, index: 9)])
        #expect(other.traffic == nil && other.gaps == TelemetryGaps(reset: 1))
        let fell = try take(30, [Self.row("a", 10, index: 9)])
        #expect(fell.traffic == nil && fell.gaps == TelemetryGaps(reset: 1))
        let late = try take(60, [Self.row("a", 30, index: 9)])
        #expect(late.traffic?.receivedBytes == 20 && late.gaps == TelemetryGaps(late: 1))
        let gone = try take(70, [])
        #expect(gone.traffic == nil && gone.gaps == TelemetryGaps(unread: 1))
    }

    @Test func processorAndMemoryOfTheVMsProcess() throws {
        var engine = ObservedEngine(interval: .seconds(10))
        func measure(_ seconds: Double, _ cpu: UInt64?, began: Double = 0) throws -> ApplicationMeasure {
            let reading = Self.reading(seconds, [Self.row("a", 0, vm: "x")]) { reading in
                if let cpu {
                    reading.tasks = [.init(vm: "x", process: 9, began: EngineTests.at(began), cpuNanoseconds: cpu)]
                    reading.memory = ["x": 4096]
                } else {
                    reading.unreadVMs = ["x"]
                }
            }
            let step = engine.take(reading)
            return try #require(step?[Self.appA]).measure
        }
        #expect(try measure(5, 1_000).cpu == nil)
        let second = try measure(15, 3_000)
        #expect(second.cpu == .nanoseconds(2_000) && second.memory == 4096 && second.memoryVMs == 1)
        // Another process, begun since.
        #expect(try measure(25, 500, began: 20).cpu == .nanoseconds(500))
        let unread = try measure(35, nil)
        #expect(unread.cpu == nil && unread.memory == nil && unread.gaps == TelemetryGaps(unread: 1))
    }

    @Test func foldedIntervalsKeepWhatHappened() {
        func batch(_ sequence: UInt64, _ observed: ObservedAggregate?) -> Aggregates {
            var part = ApplicationAggregate(
                application: Self.appA, vms: 0, peakVMs: 0, cooling: 0, launches: 0, stops: 0, misses: 0, waited: .zero,
                traffic: nil)
            part.observed = observed
            return Aggregates(
                sequence: sequence, interval: .seconds(10), endedAt: EngineTests.at(Double(sequence) * 10),
                applications: [part])
        }
        var backlog = AggregateBacklog(limits: .init(batchesMax: 1))
        backlog.append(batch(1, ObservedAggregate(vms: 3, peakVMs: 5, launches: 2, stops: 1, interfaces: 3)))
        backlog.append(
            batch(
                2,
                ObservedAggregate(
                    vms: 1, peakVMs: 3, launches: 0, stops: 2, interfaces: 1,
                    traffic: TrafficCounters(receivedBytes: 7))))
        let sum = backlog.batches[0].applications[0].observed
        #expect(
            sum
                == ObservedAggregate(
                    vms: 1, peakVMs: 5, launches: 2, stops: 3, interfaces: 1, traffic: TrafficCounters(receivedBytes: 7)
                ))
        backlog.append(batch(3, nil))
        #expect(backlog.batches[0].applications[0].observed?.vms == 0)
        #expect(backlog.batches[0].applications[0].observed?.peakVMs == 5)
    }
}
