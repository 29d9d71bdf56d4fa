import ControlAPI
import ControlAPIMapping
import CoordinatorCore
import GRPCCore
import NetworkTypes

/// What a profiler in a process of its own learns from.
struct SampleFeedService: Outrider_V1_SampleFeed.SimpleServiceProtocol {
    /// Intervals between two tellings of who talks with whom, and how many pairs.
    private static let talkEvery = 6
    private static let groupsMax = 4096

    let shell: CoordinatorShell
    let ring: SampleRing

    /// What one reader was told.
    private struct Reader {
        var isNew = true
        var applications: [ApplicationID: SampleBatch.Application] = [:]
        var slot: Int
        var talkedAt: Int?
    }

    private struct Now: Sendable {
        var interval: Duration
        var installation: UInt64
        var slot: Int
        var applications: [ApplicationID: SampleBatch.Application]
        var groups: [TalkingGroups]
    }

    func watchSamples(
        request: Outrider_V1_WatchSamplesRequest, response: RPCWriter<Outrider_V1_SampleBatch>, context: ServerContext
    ) async throws {
        var reader = Reader(slot: Int(clamping: request.afterSlot))
        for await _ in shell.samples.watch() {
            let now = try await shell.read { (machine, _) throws(CoordinatorError) in
                Now(
                    interval: machine.configuration.aggregateInterval, installation: machine.installation,
                    slot: machine.newestSlot,
                    applications: machine.applicationsForProfiler(),
                    groups: try machine.communication(limit: Self.groupsMax).groups)
            }
            for batch in batches(for: &reader, now) {
                try await response.write(Outrider_V1_SampleBatch(batch))
            }
        }
    }

    /// What is new to the reader: applications first, then each interval.
    private func batches(for reader: inout Reader, _ now: Now) -> [SampleBatch] {
        // A count that went back is told from its end.
        let kept = ring.after(min(reader.slot, now.slot))
        var changes = SampleBatch(
            slot: kept.first.map { $0.slot - 1 } ?? now.slot, interval: now.interval, installation: now.installation,
            isWhole: reader.isNew)
        changes.applications = now.applications.values.filter { reader.applications[$0.id] != $0 }
            .sorted { $0.id < $1.id }
        changes.removed = reader.applications.keys.filter { now.applications[$0] == nil }.sorted()
        if reader.talkedAt.map({ now.slot >= $0 + Self.talkEvery }) ?? true {
            changes.groups = now.groups
            reader.talkedAt = now.slot
        }
        let isNews =
            changes.isWhole || !changes.applications.isEmpty || !changes.removed.isEmpty || changes.groups != nil
        reader.isNew = false
        reader.applications = now.applications
        reader.slot = kept.last?.slot ?? min(reader.slot, now.slot)
        return (isNews ? [changes] : [])
            + kept.map {
                SampleBatch(
                    slot: $0.slot, interval: now.interval, installation: now.installation, samples: $0.samples)
            }
    }
}
