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
        var groups: [TalkingGroups]?
    }

    func watchSamples(
        request: Outrider_V1_WatchSamplesRequest, response: RPCWriter<Outrider_V1_SampleBatch>, context: ServerContext
    ) async throws {
        var reader = Reader(slot: Int(clamping: request.afterSlot))
        for await _ in shell.samples.watch() {
            // Before the applications are read: none of whom there are samples is missing then.
            let kept = ring.after(reader.slot)
            let isTalk = reader.talkedAt.map { reader.slot >= $0 + Self.talkEvery } ?? true
            let now = try await shell.read { (machine, _) throws(CoordinatorError) in
                Now(
                    interval: machine.configuration.aggregateInterval, installation: machine.installation,
                    slot: machine.newestSlot,
                    applications: machine.applicationsForProfiler(),
                    groups: isTalk ? try machine.communication(limit: Self.groupsMax).groups : nil)
            }
            for batch in batches(for: &reader, now, kept) {
                try await response.write(Outrider_V1_SampleBatch(batch))
            }
        }
    }

    /// What is new to the reader: applications first, then each interval.
    private func batches(for reader: inout Reader, _ now: Now, _ kept: [SampleRing.Entry]) -> [SampleBatch] {
        var changes = SampleBatch(
            slot: kept.first.map { $0.slot - 1 } ?? now.slot, interval: now.interval, installation: now.installation,
            isWhole: reader.isNew)
        changes.applications = now.applications.values.filter { reader.applications[$0.id] != $0 }
            .sorted { $0.id < $1.id }
        changes.removed = reader.applications.keys.filter { now.applications[$0] == nil }.sorted()
        if let groups = now.groups {
            changes.groups = groups
            reader.talkedAt = now.slot
        }
        let isNews =
            changes.isWhole || !changes.applications.isEmpty || !changes.removed.isEmpty || changes.groups != nil
        reader.isNew = false
        reader.applications = now.applications
        // A count that went back is told from its end.
        reader.slot = kept.last?.slot ?? min(reader.slot, now.slot)
        return (isNews ? [changes] : [])
            + kept.map {
                SampleBatch(
                    slot: $0.slot, interval: now.interval, installation: now.installation,
                    isPast: $0.slot != kept.last?.slot, samples: $0.samples)
            }
    }
}
