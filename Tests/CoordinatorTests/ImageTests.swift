import Forecasting
import Foundation
import NetworkTypes
import Testing

@testable import Coordinator
@testable import CoordinatorCore

@Suite struct ImageTests {
    private static let configuration = CoordinatorConfiguration()

    /// Half a day of one application, and of one that was never told of.
    private static func learnt() throws -> CoordinatorMachine {
        var machine = try CoordinatorMachine(configuration: configuration, randomSeed: 9)
        let start = Instant(nanoseconds: 0)
        _ = machine.recovered(at: start, clockSlot: 180_000_000)
        for name in ["web", "idle"] {
            _ = machine.handle(
                .command(RequestID(1), .createApplication(name: name, policy: ApplicationPolicy(), id: nil)), at: start)
        }
        let plan = machine.backfillPlan()
        let web = plan.applications.first { $0.value == "web" }?.key
        var builder = PastBuilder(shape: plan.shape, teaching: web.flatMap { plan.teaching[$0] })
        for index in 0..<5_000 {
            let sample = ExternalSample(
                application: "web", vms: 30 + index % 8640 / 300 + index % 7, launches: index % 3,
                usage: .init(cpu: 3, memory: 1 << 30, received: 5000, sent: 700))
            builder.add(sample, at: 180_000_000 - 4_999 + index)
        }
        if let past = builder.past {
            _ = machine.handle(.command(RequestID(2), .backfill("web", past)), at: start)
        }
        return machine
    }

    private static func restored(_ snapshot: CoordinatorSnapshot) throws -> CoordinatorMachine {
        try CoordinatorMachine(restoring: snapshot, configuration: configuration, randomSeed: 10)
    }

    private func same(_ machine: CoordinatorMachine, _ other: CoordinatorMachine) throws {
        #expect(try machine.profile("web").horizons.contains { !$0.concurrent.isEmpty })
        #expect(machine.profiles() == other.profiles())
        for id in machine.state.series.keys {
            #expect(machine.state.series[id]?.encoded() == other.state.series[id]?.encoded())
        }
    }

    @Test func whatWasLearntIsKeptToTheBit() throws {
        let machine = try Self.learnt()
        let image = try MachineImage.encode(machine.snapshot())
        let again = try Self.restored(MachineImage.decode(image))
        try same(machine, again)
        #expect(again.state.histories == machine.state.histories && again.state.fed == machine.state.fed)
        let rules = machine.state.marginals.keys.compactMap { machine.marginal(of: $0, at: Instant(nanoseconds: 0)) }
        #expect(again.state.marginals == machine.state.marginals && rules.count == 1)
        let bytes = machine.state.series.values.reduce(0) { $0 + $1.encoded().count }
        // Hexadecimal text took twice the bytes; now pasts are there too.
        #expect(image.count < 2 * bytes, "\(image.count) for \(bytes)")
    }

    /// An image of the version before: text, the forecasters in hexadecimal digits, nothing else of the profiler.
    @Test func imagesOfTheVersionBeforeAreRead() throws {
        let machine = try Self.learnt()
        let json = try JSONEncoder().encode(machine.snapshot())
        var fields = try #require(try JSONSerialization.jsonObject(with: json) as? [String: Any])
        fields["activity"] = nil
        fields["learnt"] = machine.state.series.map { id, forecaster in
            [
                "application": id.description,
                "forecaster": forecaster.encoded().map { String(format: "%02x", $0) }.joined(),
            ]
        }
        let image = Array("outrider-image 2\n".utf8) + Array(try JSONSerialization.data(withJSONObject: fields))
        let again = try Self.restored(MachineImage.decode(image))
        try same(machine, again)
        #expect(again.backfillPlan().applications.values.sorted() == ["idle"])
    }

    @Test func damagedImagesAreRefused() throws {
        let image = try MachineImage.encode(try Self.learnt().snapshot())
        let newer = Array("outrider-image 5\n".utf8) + image.dropFirst(17)
        #expect(throws: ImageError.newerVersion(found: 5, supported: 4)) { try MachineImage.decode(newer) }
        let older = Array("outrider-image 1\n".utf8) + image.dropFirst(17)
        #expect(throws: ImageError.olderVersion(found: 1, supported: 4)) { try MachineImage.decode(older) }
        for cut in [18, 30, image.count / 2, image.count - 1] {
            #expect(throws: ImageError.self, "cut at \(cut)") { try MachineImage.decode(Array(image.prefix(cut))) }
        }
    }

    @Test func zeroRunsRoundTrip() {
        var random = SystemRandomNumberGenerator()
        for count in [0, 1, 2, 255, 256, 257, 512, 1000] {
            let zeros = [UInt8](repeating: 0, count: count)
            let mixed = (0..<count).map { _ in UInt8.random(in: 0...3, using: &random) }
            for bytes in [zeros, mixed, [7] + zeros + [9]] {
                let packed = ZeroRuns.pack(bytes)
                #expect(ZeroRuns.unpack(packed[...], countMax: 2000) == bytes)
            }
            #expect(ZeroRuns.pack(zeros).count <= 2 * (count / 256 + 1))
        }
        #expect(ZeroRuns.unpack([0][...], countMax: 10) == nil)
        #expect(ZeroRuns.unpack([0, 255][...], countMax: 10) == nil)
    }
}
