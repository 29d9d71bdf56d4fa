import Allocation
import FleetProtocol
import Forecasting
import NetworkTypes
import SNISpace
import SimulationKit
import Testing

@testable import CoordinatorCore

/// With prediction off the product is a plain shuffled allocator: chunks in keyed order, one application each, and in a
/// chunk the next block.
@Suite struct PlainOrderTests {
    /// The plain allocator, in a few lines.
    private struct Plain {
        let order: ChunkOrder
        let pool: SNIRange
        let chunk: Int
        var next = 0
        var homes: [ApplicationID: (first: UInt32, used: Int)] = [:]

        mutating func block(for application: ApplicationID, size: Int) -> SNIBlock? {
            if homes[application].map({ $0.used + size > chunk }) ?? true {
                var number = order.chunk(at: next)
                next += 1
                while !pool.contains(SNIRange(unchecked: number * UInt32(chunk), count: chunk)) {
                    number = order.chunk(at: next)
                    next += 1
                }
                homes[application] = (number * UInt32(chunk), 0)
            }
            guard let home = homes[application] else { return nil }
            homes[application]?.used += size
            return SNIBlock(first: SessionNetworkID(unchecked: home.first + UInt32(home.used)), size: size)
        }
    }

    /// Launches of three applications on two hosts, in the same drawn order whatever is forecast; each block is in use.
    private func leased(
        mode: PredictionMode, forecast: Double?, seed: UInt64, plain: inout [ApplicationID: [SNIBlock]]
    ) throws -> [ApplicationID: [SNIBlock]] {
        var configuration = Fleet.seconds
        configuration.chunkSize = 256
        configuration.profiler = .elsewhere
        configuration.unreachableAfter = .seconds(100_000)
        let fleet = try Fleet(configuration, hosts: 2)
        fleet.start()
        let policy = ApplicationPolicy(mode: mode, lowWatermark: 0)
        let apps = try ["web", "data", "mail"].map { try fleet.application($0, policy) }
        var generator = SeededGenerator(seed: seed)
        var allocator = Plain(
            order: fleet.machine.state.book.plan.order, pool: configuration.pool[0], chunk: configuration.chunkSize)
        var given: [ApplicationID: [SNIBlock]] = [:]
        for request in 1...90 {
            let app = apps[generator.integer(in: 0...2)]
            let host = fleet.names[generator.integer(in: 0...1)]
            let block = try #require(fleet.lease(app, on: host, request: UInt64(request)))
            try fleet.bind(block.first, of: app, on: host, state: .bound)
            given[app, default: []].append(block)
            let expected = allocator.block(for: app, size: 16)
            plain[app, default: []].append(try #require(expected))
            fleet.quiesce()
            guard request % 15 == 0 else { continue }
            if let forecast {
                let told = try #require(
                    PeakForecast(
                        state: .ready, leads: [.seconds(2000)], levels: [0.5, 0.99],
                        peaks: [forecast, forecast * 2]))
                fleet.input(
                    .forecasts(Dictionary(uniqueKeysWithValues: apps.map { ($0, ToldProfile(forecast: told)) })))
            }
            fleet.pass(.seconds(1000))
            fleet.quiesce()
        }
        return given
    }

    /// Without a profiler, and with one that is only listened to.
    @Test(arguments: [(nil, 1), (nil, 2), (600, 1), (600, 3)] as [(Double?, UInt64)])
    func blocksAreThoseOfThePlainAllocator(forecast: Double?, seed: UInt64) throws {
        var plain: [ApplicationID: [SNIBlock]] = [:]
        let given = try leased(mode: .observe, forecast: forecast, seed: seed, plain: &plain)
        #expect(given == plain)
        #expect(Set(given.values.joined().map { $0.first.rawValue / 256 }).count > 3, "one chunk each proves little")
    }

    /// The comparison can fail: with prediction on, blocks are there before anybody asks.
    @Test func predictionMakesADifference() throws {
        var plain: [ApplicationID: [SNIBlock]] = [:]
        #expect(try leased(mode: .stage, forecast: 600, seed: 1, plain: &plain) != plain)
    }
}
