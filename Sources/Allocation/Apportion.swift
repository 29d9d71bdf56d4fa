/// Splits `total` into whole parts in proportion to `weights` by the largest remainder (Hamilton's method).
///
/// Ties go to the earlier part. Weights that are all zero, negative or not finite count as equal.
public func apportion(_ total: Int, weights: [Double]) -> [Int] {
    guard !weights.isEmpty else { return [] }
    guard total > 0 else { return weights.map { _ in 0 } }
    var clean = weights.map { $0.isFinite && $0 > 0 ? $0 : 0 }
    var sum = clean.reduce(0, +)
    if sum <= 0 || !sum.isFinite {
        clean = weights.map { _ in 1 }
        sum = Double(weights.count)
    }
    let exact = clean.map { Double(total) * ($0 / sum) }
    var parts = exact.map { Int($0.rounded(.down)) }
    let order = exact.indices.sorted { left, right in
        let (a, b) = (exact[left] - exact[left].rounded(.down), exact[right] - exact[right].rounded(.down))
        return a == b ? left < right : a > b
    }
    // Rounding error can leave the parts off by a few in either direction for huge totals.
    var missing = total - parts.reduce(0, +)
    var position = 0
    while missing > 0 {
        parts[order[position % order.count]] += 1
        missing -= 1
        position += 1
    }
    while missing < 0, let largest = parts.indices.max(by: { parts[$0] < parts[$1] }) {
        parts[largest] -= 1
        missing += 1
    }
    return parts
}
