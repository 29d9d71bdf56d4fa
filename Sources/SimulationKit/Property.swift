import FoundationEssentials

/// The environment variable that replays a run: a decimal or `0x` hexadecimal seed.
public let seedVariable = "OUTRIDER_SEED"

/// Checks `body` over many seeded draws.
///
/// The first line printed is the seed, so that a crash can be replayed too. Iteration 0 runs with exactly that seed and
/// the later ones with seeds derived from it, so a failing iteration is replayed alone by passing its own printed seed
/// in `OUTRIDER_SEED`. Only a thrown error is seen as a failure here: inside the body use `try #require`, or throw
/// ``PropertyViolation`` through ``hold(_:_:)``.
///
/// - Parameters:
///   - seed: from `OUTRIDER_SEED`, else fixed, so that an ordinary run is reproducible.
///   - iterations: number of draws.
/// - Throws: what the body threw, after printing the iteration's own seed.
public func property(
    _ name: String, seed: UInt64 = environmentSeed() ?? 0x0DD5_EED5, iterations: Int = 100,
    body: (inout SeededGenerator) throws -> Void
) rethrows {
    print("property '\(name)': seed \(hex(seed)), \(iterations) iterations")
    var seeds = SplitMix64(state: seed)
    var own = seed
    for iteration in 0..<iterations {
        var generator = SeededGenerator(seed: own)
        do {
            try body(&generator)
        } catch {
            print(
                "property '\(name)' failed in iteration \(iteration); replay with \(seedVariable)=\(hex(own)): \(error)"
            )
            throw error
        }
        own = seeds.next()
    }
}

/// The seed that the environment asks for; nil when it asks for none.
public func environmentSeed() -> UInt64? {
    guard let text = ProcessInfo.processInfo.environment[seedVariable], !text.isEmpty else { return nil }
    guard let seed = parseSeed(text) else {
        preconditionFailure("\(seedVariable)='\(text)' is no seed: give a decimal or 0x hexadecimal 64-bit number")
    }
    return seed
}

/// Nil when the text is neither a decimal nor a `0x` hexadecimal 64-bit number.
public func parseSeed(_ text: String) -> UInt64? {
    text.hasPrefix("0x") ? UInt64(text.dropFirst(2), radix: 16) : UInt64(text)
}

/// A property that did not hold.
public struct PropertyViolation: Error, CustomStringConvertible {
    public let description: String
    public init(_ description: String) { self.description = description }
}

/// Throws unless the condition holds; for bodies of ``property(_:seed:iterations:body:)``.
public func hold(_ condition: Bool, _ message: @autoclosure () -> String) throws(PropertyViolation) {
    guard condition else { throw PropertyViolation(message()) }
}

func hex(_ value: UInt64) -> String { "0x" + String(value, radix: 16) }
