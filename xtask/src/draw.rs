mod canvas; mod noise; mod sky; mod terrain;
use canvas::Canvas; use noise::Dice; use terrain::*;
pub(crate) fn try_one() -> anyhow::Result<()> {
    let a: Vec<String> = std::env::args().collect();
    let seed: u64 = a[2].parse()?;
    let g = match a[1].as_str() {"alps"=>Ground::Alps,"canyon"=>Ground::Canyon,_=>Ground::Desert};
    let mut d=Dice::new(seed);
    let land=if a[1]=="hero" {Land::lake(seed)} else {Land::random(g,&mut d)};
    let mut c=Canvas::new(400,300,1);
    let t=std::time::Instant::now();
    land.paint(&mut c);
    eprintln!("{:?}",t.elapsed());
    c.develop(1.0,0.25,0.01).save(&a[3])?;
    Ok(())
}
