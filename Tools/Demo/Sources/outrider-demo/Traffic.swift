import NamespaceKit
import NetworkTypes
import SimulationKit

/// What the applications' users do: a synthetic trace, compressed.
struct Traffic: Sendable {
    let trace: SyntheticTrace
    /// Largest number of VMs at any time.
    let vmsMax: Int

    /// `shop` follows people: steep mornings, quiet nights. `batch` has another phase and comes in bursts.
    static let shapes: [(name: String, priority: String, weights: [Double], shape: TraceShape)] = [
        (
            "shop", "critical", [0.40, 0.35, 0.25],
            TraceShape(mean: 22, amplitude: 0.8, phase: 0.55, sharpness: 1.6, life: 1.0 / 6, noise: 0.04, limit: 60)
        ),
        (
            "batch", "standard", [0.25, 0.30, 0.45],
            TraceShape(
                mean: 10, amplitude: 0.5, phase: 0.1, life: 1.0 / 10, noise: 0.05, bursts: 6, burstSize: 8,
                burstLife: 1.0 / 16, limit: 40)
        ),
    ]

    init(seed: UInt64, days: Int, dayLength: Duration) {
        trace = SyntheticTrace(seed: seed, shapes: Self.shapes.map(\.shape), days: Double(days), dayLength: dayLength)
        var (now, most) = (0, 0)
        for event in trace.events {
            now += event.kind == .launch ? 1 : -1
            most = max(most, now)
        }
        vmsMax = most
    }
}
