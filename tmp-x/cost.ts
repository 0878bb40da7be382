import { decodeBaseline, encodeBaseline } from '../src/store/baseline-codec.ts';
import { familiarity, familiarValues } from '../src/signals/familiarity.ts';
import { measureEach, observation, history, learnedFrom, NOON, DAY, baseline } from '../test/support/signals/given.ts';
import { learnFamiliarity, NO_FAMILIARITY, byLevel } from '../src/model/familiarity.ts';
import { fullBaseline } from '../test/support/store/full-baseline.ts';
import { matchDevice } from '../src/engine/device-match.ts';
const UA='Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36';
const g=(i:number)=>observation({ip:`81.2.${60+i%3}.160`,asn:20712,place:{country:'GB',lat:51,lon:0},userAgent:UA,fingerprint:'fp',at:NOON-(60-i)*DAY});
const usual=learnedFrom(Array.from({length:60},(_,i)=>g(i)))!;
function cpu(name:string,n:number,f:()=>unknown){for(let i=0;i<n/5;i++)f();let best=Infinity;for(let r=0;r<7;r++){const s=process.cpuUsage();for(let i=0;i<n;i++)f();const e=process.cpuUsage(s);best=Math.min(best,(e.user+e.system)/n);}console.log(name.padEnd(46),best.toFixed(2),'µs');return best}
for (const [name,b] of [['usual',usual],['full',fullBaseline('z')]] as const){
 const with_=encodeBaseline(b), without=encodeBaseline({...b,familiarity:NO_FAMILIARITY});
 console.log(name,with_.length,without.length);
 cpu(`${name} decode with`,20000,()=>decodeBaseline(with_));
 cpu(`${name} decode without`,20000,()=>decodeBaseline(without));
 cpu(`${name} encode with`,20000,()=>encodeBaseline(b));
 cpu(`${name} encode without`,20000,()=>encodeBaseline({...b,familiarity:NO_FAMILIARITY}));
}
const o=g(60),h=history(usual);const m=matchDevice(o,usual);
cpu('signal alone',50000,()=>familiarity.measure(o,h,null,m));
cpu('all signals',20000,()=>measureEach(o,h));
const v=familiarValues(o);
cpu('learn, same day',50000,()=>learnFamiliarity(usual.familiarity,v,NOON-DAY));
cpu('learn, next day',50000,()=>learnFamiliarity(usual.familiarity,v,NOON+DAY));
