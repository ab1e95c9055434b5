baserate.load("pairs-23",{});
