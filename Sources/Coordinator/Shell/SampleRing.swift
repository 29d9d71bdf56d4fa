import CoordinatorCore
import DequeModule
import Synchronization

/// The samples of the last intervals, for a profiler in another process that was away for a moment. Leaf data behind a
/// lock.
final class SampleRing: Sendable {
    struct Entry: Sendable {
        var slot: Int
        var samples: [FleetSample]
    }

    /// An hour of ten seconds.
    static let intervalsMax = 360
    /// Some 100 MB: a large fleet keeps fewer intervals.
    static let samplesMax = 500_000

    private struct State {
        var entries: Deque<Entry> = []
        var samples = 0
    }
    private let state = Mutex(State())

    func keep(_ samples: [FleetSample], of slot: Int) {
        state.withLock { state in
            state.entries.append(Entry(slot: slot, samples: samples))
            state.samples += samples.count
            while state.entries.count > Self.intervalsMax
                || state.samples > Self.samplesMax && state.entries.count > 1
            {
                state.samples -= state.entries.removeFirst().samples.count
            }
        }
    }

    /// Those after a slot, in order.
    func after(_ slot: Int) -> [Entry] { state.withLock { $0.entries.filter { $0.slot > slot } } }
}
