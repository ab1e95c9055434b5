baserate.load("pairs-24",{});
