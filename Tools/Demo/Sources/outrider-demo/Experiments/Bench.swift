import LocalAPI
import NamespaceKit

/// What every experiment works on.
struct Bench: Sendable {
    let topology: Topology
    let launcher: Launcher
    let shop: FleetApplication
    let batch: FleetApplication
    let checks: Checks
    let progress: Progress

    var cluster: Cluster { topology.cluster }

    /// Packets and connections that should not have got through, and did.
    func recordForbidden(_ name: String, _ passed: [String], tried: Int) -> Int {
        checks.record(
            name, passed.isEmpty,
            passed.isEmpty ? "\(tried) tries, all stopped" : "got through: " + passed.joined(separator: "; "))
        return passed.count
    }

    /// A try that must succeed, so that the forbidden ones beside it mean something.
    func recordControl(_ name: String, _ failed: [String], tried: Int) {
        checks.record(
            name, failed.isEmpty,
            failed.isEmpty ? "\(tried) of \(tried) arrived" : "did not arrive: " + failed.joined(separator: "; "))
    }
}
