import Allocation
import ControlAPI
import ControlAPIMapping
import CoordinatorCore
import FleetMapping
import FleetProtocol
import Forecasting
import NetworkTypes
import SwiftProtobuf
import Testing

/// What a coordinator and a profiler say to each other survives the wire, and nothing else gets in.
@Suite struct SampleFeedMappingTests {
    private static let web = ApplicationID(UUID128(high: 1, low: 2))

    private static var batch: SampleBatch {
        let demand = FleetSample.Demand(
            vms: 3, peak: 5, launches: 2, stops: 1, load: .init(cpu: 1.5, bytes: 7, misses: 1),
            usage: .init(cpu: 1.5, memory: nil, received: 3, sent: 4, peers: 0))
        let other = ApplicationID(UUID128(high: 1, low: 3))
        let groups = HostID("h1").map { host in
            [
                TalkingGroups(
                    source: VMGroup(application: web, host: host), destination: VMGroup(application: other, host: host),
                    bytesPerSecond: 12.5)
            ]
        }
        return SampleBatch(
            slot: 180_000_000, interval: .seconds(10), installation: 0xfeed_0000_1234_5678, isWhole: true,
            applications: [
                .init(id: web, name: "web", priority: .critical, cap: 0, blockSize: 16, owned: 48, costRatio: 7.5)
            ],
            removed: [other], isPast: true,
            samples: [FleetSample(application: web, demand: demand), FleetSample(application: other, demand: nil)],
            groups: groups)
    }

    @Test func batchesTravel() throws {
        let bytes: [UInt8] = try Outrider_V1_SampleBatch(Self.batch).serializedBytes()
        #expect(try Outrider_V1_SampleBatch(serializedBytes: bytes).value() == Self.batch)
        var empty = SampleBatch(slot: 0, interval: .milliseconds(100), installation: 0)
        #expect(try Outrider_V1_SampleBatch(empty).value() == empty)
        // Nothing sampled is not the same as a sample of nothing.
        empty.samples = []
        empty.groups = []
        #expect(try Outrider_V1_SampleBatch(empty).value() == empty)
    }

    @Test func hostileBatchesAreRefused() throws {
        let good = Outrider_V1_SampleBatch(Self.batch)
        let spoil: [(inout Outrider_V1_SampleBatch) -> Void] = [
            { $0.slot = .max }, { $0.applications[0].id = "web" }, { $0.removed = [""] },
            { $0.samples[0].application = "?" }, { $0.groups[0].sourceHost = "a host" },
            { $0.applications[0].priority = .UNRECOGNIZED(9) }, { $0.applications[0].costRatio = -1 },
            { $0.applications[0].costRatio = .nan },
        ]
        for change in spoil {
            var bad = good
            change(&bad)
            #expect(throws: MappingError.self) { try bad.value() }
        }
        // Whatever the bytes are: a value or an error.
        let bytes: [UInt8] = try good.serializedBytes()
        for place in bytes.indices {
            for bit in 0..<8 {
                var broken = bytes
                broken[place] ^= 1 << UInt8(bit)
                if let message = try? Outrider_V1_SampleBatch(serializedBytes: broken) { _ = try? message.value() }
            }
        }
    }

    /// One that cannot be read costs the others nothing.
    @Test func peaksTravelOneByOne() throws {
        let peaks = PeakForecast.levels.map { $0 * 10 }
        let table = PeakTable(
            leads: [.seconds(60), .seconds(120)],
            applications: [Self.web: .init(state: .ready, peaks: peaks + peaks.map { $0 + 1 })])
        var message = Outrider_V1_PeakBatch(table)
        let (known, refused) = message.forecasts()
        #expect(refused == nil && known[Self.web]?.forecast.peakQuantile(0.95, lead: .seconds(120)) == 10.5)
        for bad in [[Double.nan], [2, 1], [-1]] {
            message.applications =
                Outrider_V1_PeakBatch(table).applications + [
                    .with {
                        $0.application = ApplicationID(UUID128(high: 9, low: 9)).description
                        $0.state = .ready
                        $0.peaks = bad + peaks.dropFirst(bad.count)
                    }
                ]
            let (known, refused) = message.forecasts()
            #expect(known.count == 1 && refused?.field == "applications.peaks")
        }
    }

    /// What the rule of marginal value says goes along, or is not there; numbers that can be no advice are refused.
    @Test func adviceTravelsWithPeaks() throws {
        let peaks = PeakForecast.levels.map { $0 * 10 }
        for (floor, level, next) in [(0.5, 0.25, 0.125), (nil, nil, nil), (nil, 3, 0)] as [(Double?, Double?, Double?)]
        {
            let advice = try #require(
                MarginalAdvice(
                    target: 12, extra: 2, inUse: 9, price: 0.01, divisor: 0.5, floorMax: 8, floorRate: floor,
                    levelRate: level, nextRate: next))
            let message = Outrider_V1_PeakBatch(
                PeakTable(
                    leads: [.seconds(60)],
                    applications: [Self.web: .init(state: .ready, peaks: peaks, marginal: advice)]))
            let bytes: [UInt8] = try message.serializedBytes()
            let (known, refused) = try Outrider_V1_PeakBatch(serializedBytes: bytes).forecasts()
            #expect(refused == nil && known[Self.web]?.marginal == advice)
            let spoils: [(inout Outrider_V1_MarginalAdvice) -> Void] = [
                { $0.price = .nan }, { $0.divisor = -1 }, { $0.nextRate = .infinity },
            ]
            for spoil in spoils {
                var bad = message
                spoil(&bad.applications[0].marginal)
                #expect(bad.forecasts().known.isEmpty && bad.forecasts().refused?.field == "applications.marginal")
            }
        }
        let without = PeakTable(leads: [.seconds(60)], applications: [Self.web: .init(state: .ready, peaks: peaks)])
        let told = try #require(Outrider_V1_PeakBatch(without).forecasts().known[Self.web])
        #expect(told.marginal == nil)
    }
}
