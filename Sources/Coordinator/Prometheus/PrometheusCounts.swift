import DaemonSupport
import Prometheus
import Synchronization

/// How the second source of samples goes, since the start of the process. Leaf data behind a lock.
final class PrometheusCounts: Sendable {
    struct Values: Sendable {
        var queries = 0
        var failures: [PrometheusError.Kind: Int] = [:]
        var skips: [PrometheusReading.Skip: Int] = [:]
        /// Answers of which Prometheus says that they may be incomplete: not used.
        var partial = 0
        /// Answers without any series.
        var empty = 0
        /// Samples of applications that do not exist, or with more VMs than there can be.
        var unknown = 0
        var refused = 0
        /// Applications whose past was learnt.
        var backfilled = 0
        /// Samples of their pasts.
        var pastSamples = 0
        /// The last query for VMs was answered.
        var isUp = false
        /// Seconds since 1970 of the last live answer.
        var answeredAt: Double?
    }
    private let state = Mutex(Values())

    var values: Values { state.withLock { $0 } }
    func update(_ change: (inout sending Values) -> Void) { state.withLock { change(&$0) } }
}
