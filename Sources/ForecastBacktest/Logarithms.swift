import Glibc

func naturalLogarithm(_ value: Double) -> Double { log(value) }
func naturalExponential(_ value: Double) -> Double { exp(value) }
