import SimulationKit

/// How the applications of a synthetic fleet are drawn.
public struct ChurnMix: Hashable, Sendable {
    /// What an application does all day.
    public enum Kind: String, Hashable, Sendable, CaseIterable {
        /// Follows people's day: 15 to 35 % of the mean up and down.
        case diurnal
        /// A low level and several bursts a day that are gone within the hour.
        case bursty
        /// Jobs of ten minutes to half an hour.
        case shortLived
        /// One to three per cent more every day.
        case growing
    }

    /// How an application uses its hosts.
    public enum Placement: String, Hashable, Sendable, CaseIterable {
        /// Spreads over as many of its hosts as its VMs need at its density: hosts are taken and left with the demand.
        case following
        /// Spreads over all its hosts, whatever the demand: every host breathes with the day.
        case spread
    }

    public var placement = Placement.following

    /// Shares by kind, in the order of its cases.
    public var shares = [0.4, 0.2, 0.2, 0.2]
    /// Mean VMs of one application on one of its hosts.
    public var density: ClosedRange<Double> = 12...36
    /// Chance of a launch to land outside the hosts of its application.
    public var stray = 0.003
    /// Chance of an application, each day, to leave one of its hosts for another.
    public var drift = 0.15

    public init() {}

    /// One application to be.
    struct Draw: Hashable, Sendable {
        var kind: Kind
        var shape: TraceShape
        var density: Double
    }

    func draw(using generator: inout SeededGenerator) -> Draw {
        var left = generator.unit() * shares.reduce(0, +)
        var kind = Kind.growing
        for (share, candidate) in zip(shares, Kind.allCases) {
            if left < share {
                kind = candidate
                break
            }
            left -= share
        }
        let shape = shape(of: kind, using: &generator)
        return Draw(kind: kind, shape: shape, density: generator.logUniform(in: density))
    }

    private func shape(of kind: Kind, using generator: inout SeededGenerator) -> TraceShape {
        let minute = 1.0 / 1440
        // Most of the fleet lives in a few time zones.
        let phase = 0.6 + 0.08 * generator.normal()
        func between(_ range: ClosedRange<Double>) -> Double {
            range.lowerBound + (range.upperBound - range.lowerBound) * generator.unit()
        }
        switch kind {
        case .diurnal:
            return TraceShape(
                mean: generator.logUniform(in: 48...480), amplitude: between(0.15...0.35), phase: phase,
                sharpness: between(1...2), life: generator.logUniform(in: 40 * minute...240 * minute))
        case .bursty:
            let mean = generator.logUniform(in: 32...240)
            return TraceShape(
                mean: mean, amplitude: 0.2, phase: phase, life: generator.logUniform(in: 60 * minute...360 * minute),
                bursts: between(2...8), burstSize: mean * between(0.15...0.5), burstLife: between(10...40) * minute)
        case .shortLived:
            return TraceShape(
                mean: generator.logUniform(in: 32...240), amplitude: between(0.05...0.25), phase: phase,
                life: between(10...30) * minute, noise: 0.1)
        case .growing:
            return TraceShape(
                mean: generator.logUniform(in: 32...240), amplitude: between(0.05...0.2), phase: phase,
                life: generator.logUniform(in: 60 * minute...360 * minute), growth: between(0.01...0.03))
        }
    }
}
