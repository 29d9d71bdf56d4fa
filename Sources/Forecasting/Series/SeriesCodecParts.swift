/// Fields of the parts, in the order in which they are persisted.
extension OriginMark {
    mutating func code(_ coder: inout some StateCoder) {
        coder.code(&value)
        coder.code(&fast)
        coder.code(&liveliness)
        coder.code(&shift)
        coder.code(&isHigh)
        coder.code(&isFilled)
    }
}

extension LeadState {
    mutating func code(_ coder: inout some StateCoder) {
        coder.code(&scaleCount)
        coder.code(&scaleSum)
        low.code(&coder)
        middle.code(&coder)
        high.code(&coder)
        coder.code(&lossCount)
        coder.code(&longWeight)
        coder.code(&shortWeight)
        coder.code(&longCarry)
        coder.code(&shortCarry)
        productSum.code(&coder)
        squareSum.code(&coder)
        coder.code(&widening)
        for path in [\SeriesScoreBook.count, \.inside, \.own, \.base] { coder.code(&score[keyPath: path]) }
    }
}
