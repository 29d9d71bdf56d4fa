/// Values under short numbers, so that many records can name a long key in four bytes.
struct Registry<Key: Hashable & Sendable, Value: Sendable>: Sendable {
    private var numbers: [Key: UInt32] = [:]
    private var keys: [Key?] = []
    private var values: [Value] = []
    private var vacant: [UInt32] = []
    /// What stands at numbers out of use.
    private let blank: Value

    init(blank: Value) { self.blank = blank }

    var count: Int { numbers.count }

    func number(of key: Key) -> UInt32? { numbers[key] }

    func key(_ number: UInt32) -> Key {
        guard let key = keys[Int(number)] else { preconditionFailure("number \(number) stands for nothing") }
        return key
    }

    subscript(number: UInt32) -> Value {
        _read { yield values[Int(number)] }
        _modify { yield &values[Int(number)] }
    }

    /// The value of a key, nil when it is unknown.
    subscript(key: Key) -> Value? { numbers[key].map { values[Int($0)] } }

    /// The number of a key, which gets `value` when it is new.
    mutating func intern(_ key: Key, _ value: @autoclosure () -> Value) -> UInt32 {
        if let number = numbers[key] { return number }
        let number = vacant.popLast() ?? UInt32(keys.count)
        if Int(number) == keys.count {
            keys.append(key)
            values.append(value())
        } else {
            keys[Int(number)] = key
            values[Int(number)] = value()
        }
        numbers[key] = number
        return number
    }

    mutating func remove(_ number: UInt32) {
        numbers[key(number)] = nil
        keys[Int(number)] = nil
        values[Int(number)] = blank
        vacant.append(number)
    }

    /// Every number in use with its key, in no particular order.
    var all: some Sequence<(key: Key, number: UInt32)> { numbers.lazy.map { (key: $0.key, number: $0.value) } }
}
